// F for a given H where entries are missing, and what is left.
#pragma once
#include "gaps.hpp"
#include "pivot.hpp"

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

// Mark the columns (n_features,) of a row's missing entries, but for sparse blocks that it lacks.
template <class T>
void mark_gaps(Tile<T> tile, Index row, Span<bool> marks) {
  for (bool& mark : marks) mark = false;
  for (Index p = 0; p < tile.n_parts; ++p) {
    const Entries<T> x = entries_of(tile[p], row);
    for (Index e = 0; e < x.size; ++e) marks[x.column(e)] = x.data[e] != x.data[e];
  }
}

// Gram of a row over the entries that are there: less what is missing, or of what is there if that is less; return how
// many there are.
template <class T>
Index own_gram(Span<const bool> marks, const bool* absent, Bounds bounds, Rows<const T> Ht, const double* alpha,
               Stack<const double> grams, Rows<double> gram) {
  const Index k = gram.n_rows;
  Index n_entries = 0;
  set_zero(gram);
  for (Index block = 0; block < bounds.n_blocks(); ++block) {
    if (absent[block]) continue;
    const Index first = bounds[block], last = bounds[block + 1];
    Index n_missing = 0;
    for (Index column = first; column < last; ++column) n_missing += marks[column];
    n_entries += last - first - n_missing;
    const bool less = 2 * n_missing < last - first;
    if (less)
      for (Index i = 0; i < k; ++i)
        for (Index j = 0; j < k; ++j) gram[i][j] += grams[block][i][j];
    const double sign = less ? -1 : 1;
    for (Index column = first; column < last; ++column) {
      if (marks[column] != less) continue;
      const T* h = Ht[column];
      for (Index i = 0; i < k; ++i) {
        const double weight = sign * alpha[block] * double(h[i]);
        for (Index j = 0; j < k; ++j) gram[i][j] += weight * double(h[j]);
      }
    }
  }
  return n_entries;
}

// Lower ½ v·gram·v − cross·v along one entry after the other, v >= 0, until a sweep moves none by more than `tol` of
// the largest.
INLINE void descend(Rows<const double> gram, const double* cross, double tol, int max_sweeps, double* v) {
  const Index k = gram.n_rows;
  for (int sweep = 0; sweep < max_sweeps; ++sweep) {
    double largest = 0, farthest = 0;
    for (Index j = 0; j < k; ++j) {
      double left = cross[j];
      for (Index i = 0; i < k; ++i) left -= gram[j][i] * v[i];
      const double now = larger(v[j] + left * moves::scale_of(gram[j][j], 0.0), 0.0);
      farthest = larger(farthest, std::fabs(now - v[j]));
      largest = larger(largest, now);
      v[j] = now;
    }
    if (farthest <= tol * largest) return;
  }
}

// Solve for `rows`, each by a gram of its own; `grams` (n_blocks, k, k) are those of whole blocks, with α.
//
// For a row of fewer entries than components `few` is added to its diagonal, times the largest. Then components are
// scaled to one length, and `noise` is added.
template <class T>
void solve_alone(Tile<T> tile, Bounds bounds, Span<const Index> rows, Rows<const bool> absent, Rows<const T> Ht,
                 const double* alpha, Stack<const double> grams, double l1, double l2, Rows<const T> cross,
                 double noise, double few, double tol, int max_sweeps, Rows<T> F) {
  const Index k = F.n_columns;
  Pivots room(k);
  const Room<bool> marks(Ht.n_rows), passive(k);
  const Room<double> own(k * k), wanted(k), scales(k), v(k);
  const Rows<double> gram = own.rows(k);
  const Rows<const double> own_grams{own.data(), k, k, k};
  for (const Index row : rows) {
    mark_gaps(tile, row, marks.span());
    const Index n_entries = own_gram<T>({marks.data(), marks.size()}, absent[row], bounds, Ht, alpha, grams, gram);
    double most = 0;
    for (Index j = 0; j < k; ++j) most = larger(most, gram[j][j] + l2);
    for (Index j = 0; j < k; ++j) {
      gram[j][j] += n_entries < k && l2 == 0 ? few * most : l2;
      scales[j] = std::sqrt(moves::scale_of(gram[j][j], 0.0));
      wanted[j] = larger(double(cross[row][j]) - l1, 0.0) * scales[j];
      passive[j] = false;
    }
    for (Index i = 0; i < k; ++i)
      for (Index j = 0; j < k; ++j) gram[i][j] *= scales[i] * scales[j];
    if (!pivot(room, v.data(), passive.data(), own_grams, wanted.data(), noise, noise))
      descend(own_grams, wanted.data(), tol, max_sweeps, v.data());
    for (Index j = 0; j < k; ++j) F[row][j] = T(larger(v[j], 0.0) * scales[j]);
  }
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
