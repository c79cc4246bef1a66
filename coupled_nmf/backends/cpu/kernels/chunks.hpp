// Panels of listed rows, chunk by chunk of their columns: what is made of a chunk stays in the second cache.
#pragma once
#include "look.hpp"
#include "move_tile.hpp"

namespace coupled_nmf::INSTRUCTIONS {

constexpr Index STRIP = 64;          // columns: in float32, a panel's are half of the first cache
constexpr Index CHUNK = 8 * STRIP;   // columns, at most
constexpr Index CHUNK_STRIDE = 528;  // from row to row: rows a power of 2 apart would meet in few sets of the cache
constexpr Index CHUNK_ROOM = PANEL * CHUNK_STRIDE;

// `work` gets panels of rows that lack the same blocks, at most PANEL: `order` puts such rows together.
template <class Work>
INLINE void for_panels(Span<const Index> order, const Gaps& gaps, Work work) {
  for (Index start = 0; start < order.size;) {
    Index stop = start + 1;
    while (stop < order.size && stop < start + PANEL && gaps.alike(order[start], order[stop])) ++stop;
    work(Span<const Index>{order.data + start, stop - start});
    start = stop;
  }
}

// `work` gets each block of a part with its columns in the part, as far as they are `n` from `start` on.
template <class T, class Work>
INLINE void for_blocks_of(const Bounds& bounds, const Part<T>& part, Index start, Index n, Work work) {
  const Index begin = part.first + start, end = begin + n;
  for (Index block = bounds.block_of(begin, 0); block < bounds.n_blocks() && bounds[block] < end; ++block) {
    const Index first = larger(bounds[block] - part.first, start), last = smaller(bounds[block + 1], end) - part.first;
    if (first < last) work(block, first, last);
  }
}

INLINE Index chunks_of(Index width) { return (width + CHUNK - 1) / CHUNK; }

// `work` gets the chunks of a part's columns that are not absent throughout: where one begins, in whole strips, and its
// length.
template <class T, class Work>
INLINE void for_chunks(const Bounds& bounds, const Part<T>& part, const bool* absent, Work work) {
  const Index chunks = chunks_of(part.width), strips = (part.width + STRIP - 1) / STRIP;
  for (Index chunk = 0; chunk < chunks; ++chunk) {
    const Index start = strips * chunk / chunks * STRIP;
    const Index n = smaller(strips * (chunk + 1) / chunks * STRIP, part.width) - start;
    bool there = false;
    for_blocks_of(bounds, part, start, n, [&](Index block, Index, Index) { there = there || !absent[block]; });
    if (there) work(start, n);
  }
}

// out[lane] = f H over a chunk, for so many lanes.
template <class T>
void multiply_chunk(const Upright<T>& f, Rows<const T> H, Index first, Index n, Index height, T* out) {
  for (Index lane = 0; lane < height; ++lane)
    for (Index i = 0; i < n; ++i) out[lane * CHUNK_STRIDE + i] = 0;
  add_outers<T>(f.data(), f.stride, height, H.data + first, H.stride, f.k, n, out, CHUNK_STRIDE);
}

// Dot products of as many rows as a vector has lanes, `f(i)` with `h(i)`, of whole vectors.
template <class T, class OfF, class OfH>
INLINE typename Lanes<T>::Vector dots_of(Index stride, OfF f, OfH h) {
  using L = Lanes<T>;
  typename L::Vector sums[L::COUNT] = {};
  for_vectors<T>(stride, [&](Index first, auto vectors) __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int i = 0; i < L::COUNT; ++i) {
      const T *a = f(i) + first, *b = h(i) + first;
#pragma GCC unroll 8
      for (int v = 0; v < decltype(vectors)::value; ++v)
        sums[i] += L::load(a + v * L::COUNT) * L::load(b + v * L::COUNT);
    }
  });
  return add_up<T, L::COUNT, L::COUNT>(sums);
}

// As many doubles as a vector has lanes.
template <class T>
struct Doubles;
template <>
struct Doubles<float> {
  typedef double Vector __attribute__((vector_size(2 * VECTOR_BYTES)));
};
template <>
struct Doubles<double> {
  typedef double Vector __attribute__((vector_size(VECTOR_BYTES)));
};

// Sums of a vector's lanes, in double.
template <class T>
struct WideSums {
  using Wide = typename Doubles<T>::Vector;
  Wide sums = {};

  INLINE void add(typename Lanes<T>::Vector some) { sums += __builtin_convertvector(some, Wide); }
  INLINE void add(typename Lanes<T>::Vector some, double weight) {
    sums += __builtin_convertvector(some, Wide) * weight;
  }
  INLINE double total() const {
    double all = 0;
    for (int lane = 0; lane < Lanes<T>::COUNT; ++lane) all += sums[lane];
    return all;
  }
};

// Stored entries of a row of any sparse part of a tile, at most.
template <class T>
Index longest_row(Tile<T> tile) {
  Index longest = 0;
  for (Index p = 0; p < tile.n_parts; ++p)
    for (Index row = 0; tile[p].is_sparse() && row < tile.n_rows; ++row)
      longest = larger(longest, stored_row(tile[p], row).size);
  return longest;
}

// Entries of a row of a tile, at most.
template <class T>
Index most_entries(Tile<T> tile) {
  Index most = 0;
  for (Index p = 0; p < tile.n_parts; ++p)
    most += tile[p].is_sparse() ? longest_row<T>({&tile[p], 1, tile.n_rows}) : tile[p].width;
  return most;
}

// The weights of listed rows, side by side; none, if all are 1.
INLINE Span<const double> listed_weights(Span<const double> weights, Span<const Index> some, double* room) {
  if (weights.size == 0) return weights;
  for (Index lane = 0; lane < some.size; ++lane) room[lane] = weights[some[lane]];
  return {room, some.size};
}

}  // namespace coupled_nmf::INSTRUCTIONS
