// A gram, laid as the passes of a solver read it, and its products with a strip of a panel.
//
// A strip is a few vectors of lanes wide, so that all its rows stay in the first cache however many sweeps there are; a
// pass goes over a few rows at a time, whose sums stay in registers while the strip is read once.
#pragma once
#include "panels.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// Rows and vectors of the sums: wide strips for small ranks, where rows wait for each other and more lanes hide it;
// deep ones for large ranks, whose strip would leave the first cache otherwise.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int WIDE_ROWS = 4, WIDE_VECTORS = 6, DEEP_ROWS = 8, DEEP_VECTORS = 3;
#else
constexpr int WIDE_ROWS = 2, WIDE_VECTORS = 6, DEEP_ROWS = 4, DEEP_VECTORS = 3;
#endif
constexpr Index WIDE_RANK = 40;  // the largest that takes wide strips

static_assert(PANEL * sizeof(float) % (WIDE_VECTORS * VECTOR_BYTES) == 0, "a panel is whole wide strips");
static_assert(PANEL * sizeof(float) % (DEEP_VECTORS * VECTOR_BYTES) == 0, "a panel is whole deep strips");

// Numbers of some rows side by side, column after column: rows `first(b)` to `first(b + 1)` for block b.
template <class T>
class Gram {
 public:
  INLINE explicit Gram(Rows<const T> gram, T where_zero = 0)
      : k(gram.n_rows),
        is_deep(k > WIDE_RANK),
        n_blocks((k + most_rows() - 1) / most_rows()),
        numbers_(k * k),
        scales_(k) {
    for (Index block = 0; block < n_blocks; ++block) {
      T* place = block_at(block);
      for (Index i = 0; i < k; ++i)
        for (Index j = first(block); j < first(block + 1); ++j) *place++ = gram[j][i];
    }
    for (Index j = 0; j < k; ++j) scales_[j] = moves::scale_of(gram[j][j], where_zero);
  }

  INLINE Index most_rows() const { return is_deep ? DEEP_ROWS : WIDE_ROWS; }
  INLINE Index first(Index block) const { return k * block / n_blocks; }
  INLINE T* block_at(Index block) const { return numbers_.data() + first(block) * k; }
  INLINE T scale(Index j) const { return scales_[j]; }

  const Index k;
  const bool is_deep;
  const Index n_blocks;

 private:
  Room<T> numbers_, scales_;
};

// sums[r V + v] −= Σ_i gram[r, i] strip[i, v] for rows `first` to `last` of the strip.
template <class T, int R, int V>
INLINE void subtract_products(const T* gram, const T* strip, Index first, Index last, typename Lanes<T>::Vector* sums) {
  using L = Lanes<T>;
  for (Index i = first; i < last; ++i) {
    typename L::Vector xv[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) xv[v] = L::load(strip + i * PANEL + v * L::COUNT);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const typename L::Vector weight = L::splat(gram[i * R + r]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sums[r * V + v] -= weight * xv[v];
    }
  }
}

// For every strip of the first `height` lanes of a panel, `work` gets its first lane and the largest number of rows and
// the vectors as types. What is left of the lanes may take half a wide strip.
template <class T, class Work>
INLINE void for_strips(const Gram<T>& gram, Index height, Work work) {
  if (gram.is_deep) {
    for (Index lane = 0; lane < height; lane += DEEP_VECTORS * Lanes<T>::COUNT)
      work(lane, Number<DEEP_ROWS>{}, Number<DEEP_VECTORS>{});
    return;
  }
  constexpr Index half = WIDE_VECTORS / 2 * Lanes<T>::COUNT;
  Index lane = 0;
  for (; height - lane > half; lane += 2 * half) work(lane, Number<WIDE_ROWS>{}, Number<WIDE_VECTORS>{});
  if (lane < height) work(lane, Number<WIDE_ROWS>{}, Number<WIDE_VECTORS / 2>{});
}

// out[lane] = v·gram·v − 2 v·(cross − l1) of each lane's v, for `height` lanes: what a move lowers, that row's share of
// J but for ‖x‖².
template <class T>
void find_energies(Rows<T> panel, Rows<T> cross, const Gram<T>& gram, T l1, Index height, double* out) {
  using L = Lanes<T>;
  for (Index lane = 0; lane < PANEL; ++lane) out[lane] = 0;
  for_strips(gram, height, [&](Index start, auto most_rows, auto vectors) __attribute__((always_inline)) {
    constexpr int V = decltype(vectors)::value, WIDTH = V * L::COUNT;
    for (Index block = 0; block < gram.n_blocks; ++block) {
      const Index first = gram.first(block);
      for_count<decltype(most_rows)::value>(
          gram.first(block + 1) - first, [&](auto rows) __attribute__((always_inline)) {
            constexpr int R = decltype(rows)::value;
            typename L::Vector gradients[R * V];
            for (int r = 0; r < R; ++r)
              for (int v = 0; v < V; ++v) gradients[r * V + v] = L::load(cross[first + r] + start + v * L::COUNT);
            subtract_products<T, R, V>(gram.block_at(block), panel.data + start, 0, gram.k, gradients);
            alignas(LINE) T laid[R * WIDTH];
            for (int i = 0; i < R * V; ++i) L::store(laid + i * L::COUNT, gradients[i]);
            for (int r = 0; r < R; ++r)
              for (Index lane = 0; lane < WIDTH; ++lane)
                out[start + lane] += moves::energy(panel[first + r][start + lane], cross[first + r][start + lane],
                                                   laid[r * WIDTH + lane], l1);
          });
    }
  });
}

}  // namespace coupled_nmf::INSTRUCTIONS
