// Hierarchical alternating least squares (Cichocki et al. 2007).
#pragma once
#include "gram.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// Minimize over R rows of a strip, one after the other: they share one reading of the strip, and what one of them moves
// is then taken from the rest.
template <class T, int R, int V>
INLINE void move_block(T* strip, const T* cross, Index cross_stride, const Gram<T>& gram, Index block, T l1,
                       Index fixed) {
  using L = Lanes<T>;
  const Index first = gram.first(block);
  const T* numbers = gram.block_at(block);
  typename L::Vector steps[R * V];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) steps[r * V + v] = L::load(cross + (first + r) * cross_stride + v * L::COUNT) - l1;
  }
  // the rows that moved last come last, so that the others need not wait for them
  subtract_products<T, R, V>(numbers, strip, first, gram.k, steps);
  subtract_products<T, R, V>(numbers, strip, 0, first, steps);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    T* row = strip + (first + r) * PANEL;
    if (first + r < fixed) continue;
    const T scale = gram.scale(first + r);
    typename L::Vector moved[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      const typename L::Vector old = L::load(row + v * L::COUNT);
      const typename L::Vector now = moves::hals(old, steps[r * V + v], scale, Numbers<T>::smallest);
      L::store(row + v * L::COUNT, now);
      moved[v] = now - old;
    }
#pragma GCC unroll 16
    for (int later = r + 1; later < R; ++later) {
      const typename L::Vector weight = L::splat(numbers[(first + r) * R + later]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) steps[later * V + v] -= weight * moved[v];
    }
  }
}

template <class T, int MOST, int V>
void pass(T* strip, const T* cross, Index cross_stride, const Gram<T>& gram, T l1, Index fixed) {
  for (Index block = 0; block < gram.n_blocks; ++block) {
    if (gram.first(block + 1) <= fixed) continue;
    for_count<MOST>(gram.first(block + 1) - gram.first(block), [&](auto rows) __attribute__((always_inline)) {
      move_block<T, decltype(rows)::value, V>(strip, cross, cross_stride, gram, block, l1, fixed);
    });
  }
}

// Move the first `height` lanes of a panel by so many passes over its rows but the first `fixed`.
template <class T>
void hals_sweeps(Rows<T> panel, Rows<T> cross, const Gram<T>& gram, T l1, int n_sweeps, Index fixed, Index height) {
  for_strips(gram, height, [&](Index start, auto most_rows, auto vectors) __attribute__((always_inline)) {
    for (int sweep = 0; sweep < n_sweeps; ++sweep)
      pass<T, decltype(most_rows)::value, decltype(vectors)::value>(panel.data + start, cross.data + start,
                                                                    cross.stride, gram, l1, fixed);
  });
}

}  // namespace coupled_nmf::INSTRUCTIONS
