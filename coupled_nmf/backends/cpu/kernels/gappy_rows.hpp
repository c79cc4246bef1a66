// F for a given H where entries are missing, and what is left.
#pragma once
#include "gaps.hpp"
#include "pivot.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// out = x Rᵀ over the entries that are there, shape (rows, k).
template <class T>
void multiply_gappy_tile(Tile<T> tile, Bounds bounds, Span<const Index> order, const Gaps& gaps, Rows<const T> R,
                         Rows<T> out) {
  const Panel<T> panel(R.n_rows), nothing(R.n_rows);
  const Turned<T> turned(tile, R);
  const Room<double> alpha(bounds.n_blocks(), 0.0);
  for_panels(order, gaps, [&](Span<const Index> some) {
    const Small<T> small(tile, some);
    gather(tile, small, some, gaps.absent[some[0]], gaps.is_scattered(some[0]), bounds, nothing.view(), R, {alpha.data(), {nullptr, 0}});
    cross_of(small.tile(), R, turned, 0, some.size, panel.view());
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

// Solve for `rows`, each by a gram of its own; `grams` (n_blocks, k, k) are those of whole blocks, with α.
//
// `noise`, or `few` for a row of fewer entries than components, is added to its diagonal, times the largest.
template <class T>
void solve_alone(Tile<T> tile, Bounds bounds, Span<const Index> rows, Rows<const bool> absent, Rows<const T> Ht,
                 const double* alpha, Stack<const double> grams, double l1, double l2, Rows<const T> cross, double noise,
                 double few, double tol, int max_sweeps, Rows<T> F) {
  const Index k = F.n_columns;
  Pivots room(k);
  const Room<bool> marks(Ht.n_rows), passive(k);
  const Room<double> own(k * k), wanted(k), v(k);
  const Rows<double> gram = own.rows(k);
  const Rows<const double> own_grams{own.data(), k, k, k};
  for (const Index row : rows) {
    mark_gaps(tile, row, marks.span());
    const Index n_entries = own_gram<T>({marks.data(), marks.size()}, absent[row], bounds, Ht, alpha, grams, gram);
    double most = 0;
    for (Index j = 0; j < k; ++j) {
      gram[j][j] += l2;
      most = larger(most, gram[j][j]);
      wanted[j] = double(cross[row][j]) - l1;
      passive[j] = false;
    }
    const double ridge = larger((n_entries < k && l2 == 0 ? few : noise) * most, 1e-300);
    if (!pivot(room, v.data(), passive.data(), own_grams, wanted.data(), ridge, noise)) {
      Index waiting;
      solve_rows<double>({v.data(), 1, k, k}, own_grams, {wanted.data(), 1, k, k}, tol, max_sweeps, &waiting);
    }
    for (Index j = 0; j < k; ++j) F[row][j] = T(larger(v[j], 0.0));
  }
}

// As `residual_tile`, over the entries that are there.
template <class T>
void gappy_residual_tile(Tile<T> tile, Bounds bounds, Span<const Index> order, const Gaps& gaps, Rows<T> F,
                         Rows<const T> H, Stack<const double> grams, Span<const double> weights, double* squares) {
  const Index k = F.n_columns;
  const Panel<T> panel(k);
  const Room<double> alpha(bounds.n_blocks(), 0.0), found(bounds.n_blocks());
  double room[PANEL];
  for_panels(order, gaps, [&](Span<const Index> some) {
    const bool* lacks = gaps.absent[some[0]];
    take_listed(F, some, panel.view());
    const Small<T> small(tile, some);
    gather(tile, small, some, lacks, gaps.is_scattered(some[0]), bounds, panel.view(), H, {alpha.data(), {nullptr, 0}});
    const Upright<T> f(panel.view(), some.size);
    for (double& sum : found.span()) sum = 0;
    residual_tile<T>(small.tile(), {f.data(), some.size, k, k}, H, grams, bounds, listed_weights(weights, some, room), found.data());
    for (Index block = 0; block < found.size(); ++block)
      if (!lacks[block]) squares[block] += found[block];
  });
}

}  // namespace coupled_nmf::INSTRUCTIONS
