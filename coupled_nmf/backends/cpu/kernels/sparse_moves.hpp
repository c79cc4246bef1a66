// Moves where all of X is sparse and held twice, by rows and by columns: no sum of a tile is as wide as X.
//
// Both factors are held turned, a row for each feature or sample, in whole cache lines.
#pragma once
#include "move_tile.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// As `move_tile`, by `turned`, which is R's: where rows end, times their weights, is written to G (rows, stride).
template <class T>
void move_sparse_tile(const Rule& rule, Tile<T> tile, Rows<const T> turned, Rows<const T> gram, T l1, T l2, Rows<T> F,
                      Rows<T> other, T beta, T next_beta, Span<const double> weights, Rows<T> G, Rows<T> FtF,
                      double* extras) {
  move_rows(
      rule, gram, l1, l2, F, other, beta, next_beta, weights, FtF, extras,
      [&](Index start, Index height, Rows<T> cross) {
        set_zero(cross);
        for (Index p = 0; p < tile.n_parts; ++p)
          add_sparse_dots(tile[p], turned[tile[p].first], turned.stride, start, height, cross);
      },
      [&](Index start, Index height, Rows<T> weighted) { put_rows(weighted, G, start, height); });
}

constexpr Index MOST_ADDED = 4096;  // entries whose sum is in T

// FtX[:, first : last] = (Xᵀ G)ᵀ: `columns` is Xᵀ, whose parts are blocks of samples, and G (samples, stride).
template <class T>
void sum_columns(Tile<T> columns, Rows<const T> G, Index first, Index last, Rows<double> FtX) {
  const Index k = FtX.n_rows, n = last - first, size = padded<T>(k);
  const Room<double> totals(n * size, 0.0);
  for_vectors<T>(size, [&](Index some, auto vectors) __attribute__((always_inline)) {
    constexpr int V = decltype(vectors)::value;
    for (Index p = 0; p < columns.n_parts; ++p)
      for (Index c = 0; c < n; ++c) {
        const Stored<T> x = stored_row(columns[p], first + c);
        for (Index e = 0; e < x.size; e += MOST_ADDED) {
          const Index end = smaller<Index>(e + MOST_ADDED, x.size);
          const Stored<T> part{x.data + e, x.columns + e, end - e, x.size - end + x.n_following};
          RowDots<T, V>(part, G[columns[p].first] + some, G.stride)
              .add_to(totals.data() + c * size + some, 1, V * Lanes<T>::COUNT);
        }
      }
  });
  transpose(totals.data(), size, n, k, FtX.data + first, FtX.stride);
}

// `turned` (n_columns, stride) becomes what H holds (k, n_columns), a column a row.
template <class T>
void turn_over(Rows<const T> H, Rows<T> turned) {
  turn(H, 0, H.n_columns, turned.data, turned.stride);
}

}  // namespace coupled_nmf::INSTRUCTIONS
