// What rows with missing entries are solved for by, and what they leave.
#pragma once
#include "gaps.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// out = x Rᵀ over the entries that are there, shape (rows, k).
template <class T>
void multiply_gappy_tile(Tile<T> tile, Bounds bounds, Span<const Index> order, const Gaps& gaps, Rows<const T> R,
                         Rows<T> out) {
  const Panel<T> panel(R.n_rows);
  const Turned<T> turned(tile, R);
  const Room<T> chunk(CHUNK_ROOM), row(longest_row(tile));
  for_panels(order, gaps, [&](Span<const Index> some) {
    const bool* lacks = gaps.absent[some[0]];
    set_zero(panel.view());
    for (Index p = 0, place = 0; p < tile.n_parts; ++p) {
      const Part<T>& part = tile[p];
      if (part.is_sparse()) {
        for (Index lane = 0; lane < some.size; ++lane) {
          const Stored<T> x = filled_row(part, some[lane], row.data(), [](Index) { return T(0); });
          add_dots_of(x, turned.data() + place, turned.stride, panel.view(), lane);
        }
        place += part.width * turned.stride;
        continue;
      }
      for_chunks(bounds, part, lacks, [&](Index start, Index n) {
        copy_chunk(part, some, start, n, lacks, bounds, chunk.data());
        for (Index lane = 0; lane < some.size; ++lane)
          for (T *x = chunk.data() + lane * CHUNK_STRIDE, *end = x + n; x < end; ++x) *x = *x == *x ? *x : 0;
        const T* r = R.data + part.first + start;
        add_cross<T>(chunk.data(), CHUNK_STRIDE, some.size, {r, R.n_rows, n, R.stride}, panel.view());
      });
    }
    put_listed(panel.view(), out, some);
  });
}

// What one row of a sparse part leaves, see `add_sparse_residual`: a gap takes back what F H put there.
template <class T>
void add_gappy_residual(const Part<T>& part, Index row, const bool* absent, Bounds bounds, const T* f, Rows<const T> H,
                        Stack<const double> grams, double weight, double* squares) {
  for_blocks(bounds, part, [&](Index block, Index, Index) {
    if (!absent[block]) squares[block] += weight * quadratic(f, grams[block]);
  });
  const Entries<T> x = entries_of(part, row);
  for (Index e = 0, block = 0; e < x.size; ++e) {
    block = bounds.block_of(x.column(e), block);
    if (absent[block]) continue;
    const double value = double(x.data[e]), found = product(f, H, x.column(e));
    squares[block] += weight * (value == value ? value * (value - 2 * found) : -found * found);
  }
}

// Sum of the squares of those that are there.
template <class T>
INLINE double squares_there(const T* x, Index n) {
  double total = 0;
  for (Index i = 0; i < n; ++i) total += x[i] == x[i] ? double(x[i]) * double(x[i]) : 0.0;
  return total;
}

// As `residual_tile`, over the entries that are there.
template <class T>
void gappy_residual_tile(Tile<T> tile, Bounds bounds, Span<const Index> order, const Gaps& gaps, Rows<T> F,
                         Rows<const T> H, Stack<const double> grams, Span<const double> weights, double* squares) {
  const Index k = F.n_columns;
  const Room<T> chunk(CHUNK_ROOM), minus(PANEL * k);
  for_panels(order, gaps, [&](Span<const Index> some) {
    const bool* lacks = gaps.absent[some[0]];
    for (Index lane = 0; lane < some.size; ++lane)
      for (Index j = 0; j < k; ++j) minus[lane * k + j] = -F[some[lane]][j];
    for (Index p = 0; p < tile.n_parts; ++p) {
      const Part<T>& part = tile[p];
      if (part.is_sparse()) {
        for (const Index row : some)
          add_gappy_residual(part, row, lacks, bounds, F[row], H, grams, weight_of(weights, row), squares);
        continue;
      }
      for_chunks(bounds, part, lacks, [&](Index start, Index n) {
        copy_chunk(part, some, start, n, lacks, bounds, chunk.data());
        const T* h = H.data + part.first + start;
        add_outers<T>(minus.data(), k, some.size, h, H.stride, k, n, chunk.data(), CHUNK_STRIDE);
        for (Index lane = 0; lane < some.size; ++lane)
          for_blocks_of(bounds, part, start, n, [&](Index block, Index first, Index last) {
            const T* left = chunk.data() + lane * CHUNK_STRIDE + first - start;
            if (!lacks[block]) squares[block] += weight_of(weights, some[lane]) * squares_there(left, last - first);
          });
      });
    }
  });
}

}  // namespace coupled_nmf::INSTRUCTIONS
