// Rows and columns change places, in square blocks that stay in registers.
#pragma once
#include "lanes.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// Of two rows of a block, D apart: their quarters off the diagonal change places.
template <int D, class V, int... LANE>
INLINE void swap_quarters(V& low, V& high, Places<LANE...>) {
  constexpr int SIZE = sizeof...(LANE);
  const V a = low, b = high;
  low = __builtin_shufflevector(a, b, (LANE & D ? SIZE + LANE - D : LANE)...);
  high = __builtin_shufflevector(a, b, (LANE & D ? SIZE + LANE : LANE + D)...);
}

// A block of B vectors of B numbers, by halves, quarters, and so on.
template <int B, int D, class V>
INLINE void transpose_vectors(V* rows) {
  if constexpr (D > 0) {
#pragma GCC unroll 16
    for (int i = 0; i < B; ++i)
      if (!(i & D)) swap_quarters<D>(rows[i], rows[i + D], typename MakePlaces<B>::type{});
    transpose_vectors<B, D / 2>(rows);
  }
}

// The last blocks begin early, and write some numbers once more.
template <class T, int B>
void transpose_blocks(const T* x, Index xs, Index rows, Index width, T* out, Index os) {
  typedef T Vector __attribute__((vector_size(B * sizeof(T))));
  typedef T Loose __attribute__((vector_size(B * sizeof(T)), aligned(alignof(T)), may_alias));
  for (Index r = 0; r < rows; r += B) {
    const Index row = smaller(r, rows - B);
    for (Index c = 0; c < width; c += B) {
      const Index column = smaller(c, width - B);
      Vector block[B];
#pragma GCC unroll 16
      for (int i = 0; i < B; ++i) block[i] = *reinterpret_cast<const Loose*>(x + (row + i) * xs + column);
      transpose_vectors<B, B / 2>(block);
#pragma GCC unroll 16
      for (int i = 0; i < B; ++i) *reinterpret_cast<Loose*>(out + (column + i) * os + row) = block[i];
    }
  }
}

// out[i, r] = x[r, i]: x (rows, width), out (width, rows), which do not overlap.
template <class T, int B = Lanes<T>::COUNT>
void transpose(const T* x, Index xs, Index rows, Index width, T* out, Index os) {
  if constexpr (B == 1) {
    for (Index r = 0; r < rows; ++r)
      for (Index i = 0; i < width; ++i) out[i * os + r] = x[r * xs + i];
  } else if (rows >= B && width >= B) {
    transpose_blocks<T, B>(x, xs, rows, width, out, os);
  } else {
    transpose<T, B / 2>(x, xs, rows, width, out, os);
  }
}

}  // namespace coupled_nmf::INSTRUCTIONS
