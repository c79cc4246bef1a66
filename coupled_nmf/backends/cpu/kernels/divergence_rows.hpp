// F for a given H under Kullback–Leibler, row by row, and what is left.
#pragma once
#include "divergence.hpp"
#include "newton.hpp"
#include "updates.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// The entries above zero of a row, and their columns of X.
template <class T>
struct Positive {
  INLINE explicit Positive(Index most) : x(most), columns(most), found(most), n(0) {}
  Room<T> x;
  Room<Index> columns;
  Room<double> found;  // F H there
  Index n;
};

// Whether columns lie side by side.
INLINE bool adjacent(const Index* columns, Index n) { return n > 0 && columns[n - 1] - columns[0] == n - 1; }

// Gather a row's entries above zero; `wanted` (k,) becomes Σ α h over the entries that are there.
template <class T>
void gather_row(Tile<T> tile, Index row, const bool* lacks, Bounds bounds, const Divisors<T>& by, Positive<T>& found,
                double* wanted) {
  found.n = 0;
  sums_there(by.sums, lacks, by.alpha, wanted);
  for (Index p = 0; p < tile.n_parts; ++p) {
    const Entries<T> x = entries_of(tile[p], row);
    for (Index e = 0, block = 0; e < x.size; ++e) {
      const Index column = x.column(e);
      block = bounds.block_of(column, block);
      if (lacks[block] || x.data[e] == 0) continue;
      if (x.data[e] > 0) {
        found.x[found.n] = x.data[e];
        found.columns[found.n++] = column;
      } else {  // missing
        for (Index j = 0; j < by.H.n_rows; ++j) wanted[j] -= by.alpha[block] * double(by.H[j][column]);
      }
    }
  }
}

// What each column of H is multiplied by, so that its largest entry is about 1: J then differs by a constant, and
// squares of small numbers are numbers. A power of two, so that nothing is rounded; 0 where there are zeros alone.
template <class T>
void find_column_scales(Rows<const T> H, T* scales) {
  for (Index i = 0; i < H.n_columns; ++i) scales[i] = 0;
  for (Index j = 0; j < H.n_rows; ++j)
    for (Index i = 0; i < H.n_columns; ++i) scales[i] = larger(scales[i], H[j][i]);
  constexpr int most = sizeof(T) == sizeof(float) ? 126 : 1022;  // its power of two is a number
  for (Index i = 0; i < H.n_columns; ++i)
    if (scales[i] > 0) scales[i] = T(__builtin_ldexp(1.0, -larger(__builtin_ilogb(double(scales[i])), -most)));
}

// Give a problem those entries that some component reaches, times α, and their columns of H, scaled.
template <class T>
void pose(const Positive<T>& found, const T* scales, Bounds bounds, const Divisors<T>& by, RowProblem<T>& problem,
          Index* places) {
  problem.n = 0;
  for (Index e = 0, block = 0; e < found.n; ++e) {
    block = bounds.block_of(found.columns[e], block);
    if (scales[found.columns[e]] > 0 && by.alpha[block] > 0) {
      problem.xa[problem.n] = double(found.x[e]) * by.alpha[block];
      places[problem.n++] = found.columns[e];
    }
  }
  const bool together = adjacent(places, problem.n);
  for (Index j = 0; j < problem.k; ++j) {
    T* h = problem.h_row(j);
    const T* row = by.H[j];
    if (together)
      for (Index e = 0, first = places[0]; e < problem.n; ++e) h[e] = row[first + e] * scales[first + e];
    else
      for (Index e = 0; e < problem.n; ++e) h[e] = row[places[e]] * scales[places[e]];
    for (Index e = problem.n; e < padded<double>(problem.n); ++e) h[e] = 0;
  }
}

// F H at the entries above zero, for one row of F.
template <class T>
void find_products(const T* f, Rows<const T> H, const Positive<T>& positive) {
  const bool together = adjacent(positive.columns.data(), positive.n);
  for (Index e = 0; e < positive.n; ++e) positive.found[e] = 0;
  for (Index j = 0; j < H.n_rows; ++j) {
    if (f[j] == 0) continue;
    const T* row = H[j] + (together ? positive.columns[0] : 0);
    for (Index e = 0; e < positive.n; ++e)
      positive.found[e] += double(f[j]) * double(row[together ? e : positive.columns[e]]);
  }
}

// Add what a row's F leaves: 2 w D to the losses, w times the squares of the residual to the squares.
template <class T>
void add_losses(Tile<T> tile, Index row, const T* f, const bool* lacks, Bounds bounds, const Divisors<T>& by,
                Stack<const double> grams, double weight, const Positive<T>& positive, const BlockSums& out) {
  for (Index block = 0; block < bounds.n_blocks(); ++block) {
    if (lacks[block]) continue;
    out.squares[block] += weight * quadratic(f, grams[block]);
    for (Index j = 0; j < by.H.n_rows; ++j) out.losses[block] += 2 * weight * double(f[j]) * by.sums[block][j];
  }
  find_products(f, by.H, positive);
  for (Index e = 0, block = 0; e < positive.n; ++e) {
    const double x = double(positive.x[e]), found = positive.found[e];
    block = bounds.block_of(positive.columns[e], block);
    out.losses[block] += 2 * weight * entry_loss(x, x / larger(found, TINY), found);
    out.squares[block] += weight * x * (x - 2 * found);
    out.logs[block] += weight * x * std::log(x);
    out.totals[block] += weight * x;
  }
  for (Index p = 0; p < tile.n_parts; ++p) {  // what is missing was counted
    const Entries<T> x = entries_of(tile[p], row);
    for (Index e = 0, block = 0; e < x.size; ++e) {
      if (x.data[e] == x.data[e]) continue;
      block = bounds.block_of(x.column(e), block);
      if (lacks[block]) continue;
      const double found = product(f, by.H, x.column(e));
      out.losses[block] -= 2 * weight * found;
      out.squares[block] -= weight * found * found;
    }
  }
}

// Minimize Σ_b α_b D(x_b ‖ f H_b) + penalties over each row; those in `order` begin near the minimum.
//
// To the blocks' `losses` 2 w D is added, to `squares` those of the residual, to `logs` w x log x and to `totals` w x.
// `grams` (n_blocks, k, k) are H_b H_bᵀ.
template <class T>
void solve_divergence_tile(Tile<T> tile, Bounds bounds, Span<const Index> order, Rows<const bool> absent,
                           const Divisors<T>& by, Stack<const double> grams, double l1, double l2,
                           Span<const double> weights, double tol, Rows<T> F, const BlockSums& out) {
  const Index k = by.H.n_rows, width = by.H.n_columns, most = most_entries(tile);
  NearF<T> near(tile, bounds, by, l1, l2);
  RowProblem<T> problem(k, most);
  Positive<T> positive(most);
  const Room<Index> places(width);
  const Room<T> scales(width);
  find_column_scales(by.H, scales.data());
  near.find(order, absent, F);
  for (Index row = 0; row < F.n_rows; ++row) {
    const bool* lacks = absent[row];
    gather_row(tile, row, lacks, bounds, by, positive, problem.linear.data());
    for (double& one : problem.linear.span()) one = larger(one, 0.0) + l1;
    pose(positive, scales.data(), bounds, by, problem, places.data());
    problem.solve(F[row], l2, tol);
    for (Index j = 0; j < k; ++j) F[row][j] = T(problem.v[j]);
    add_losses(tile, row, F[row], lacks, bounds, by, grams, weight_of(weights, row), positive, out);
  }
}

}  // namespace coupled_nmf::INSTRUCTIONS
