// Both moves of an iteration in one call, where X is so small that calls would be most of the time.
#pragma once
#include "move_columns.hpp"
#include "move_tile.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// Rows `start` to `start + height` of a tile, whose parts are written to `parts`.
template <class T>
INLINE Tile<T> some_rows(Tile<T> tile, Index start, Index height, Part<T>* parts) {
  for (Index p = 0; p < tile.n_parts; ++p) {
    parts[p] = tile[p];
    if (parts[p].is_sparse())
      parts[p].indptr += start;
    else
      parts[p].data += start * parts[p].stride;
  }
  return {parts, tile.n_parts, height};
}

template <class T>
INLINE Rows<T> some_rows(Rows<T> rows, Index start, Index height) {
  return {rows[start], height, rows.n_columns, rows.stride};
}

// FtX and FtF (in double, and zero) += the sums over X's rows, which move by tiles; what is added to J is returned.
template <class T>
double move_rows_of(const Small<T>& small, const Rule& rule, Rows<const T> R, Rows<const T> gram, Rows<T> F,
                    Rows<T> other, T beta, T next_beta, Rows<double> FtX, Rows<double> FtF) {
  const Index n = F.n_rows, k = F.n_columns;
  const Room<Part<T>> parts(small.tile.n_parts);
  const Room<T> moments(k * R.n_columns), products(k * k);
  double added = 0;
  for (Index start = 0; start < n; start += small.rows) {
    const Index height = smaller(small.rows, n - start);
    Span<const double> weights = small.weights;
    if (weights.size) weights = {weights.data + start, height};
    double extras[2] = {0, 0};
    move_tile<T>(rule, some_rows(small.tile, start, height, parts.data()), R, gram, small.l1, small.l2,
                 some_rows(F, start, height), some_rows(other, start, height), beta, next_beta, weights,
                 moments.rows(k), products.rows(k), extras);
    add_to<T>(FtX.data, moments.data(), moments.size());
    add_to<T>(FtF.data, products.data(), products.size());
    added += extras[1];
  }
  return added;
}

// Move F by the point R, `gram` of H, and H by the sums of that: `move_tile` over tiles of so many rows, their sums
// added up in double, and `move_columns` over ranges of so many columns. `further` becomes the point further on, and
// HHts (n_groups, k, k) the products of each group of its columns; `added` is what F's penalty adds to J, and what the
// columns' energies do is returned.
template <class T>
double move_both(const Small<T>& small, const Rule& rule_F, const Rule& rule_H, Rows<const T> R, Rows<const T> gram,
                 Rows<T> F, Rows<T> other_F, Rows<T> H, Rows<T> other_H, T beta, T next_beta, Rows<T> further,
                 Stack<double> HHts, double& added) {
  const Index k = H.n_rows, width = H.n_columns, n_groups = HHts.n, size = k * k;
  const Room<double> FtX(k * width, 0), FtF(size, 0);
  added = move_rows_of(small, rule_F, R, gram, F, other_F, beta, next_beta, FtX.rows(k), FtF.rows(k));

  const Room<T> grams(n_groups * size), products(n_groups * size);
  for (Index g = 0; g < n_groups; ++g)
    for (Index i = 0; i < size; ++i) grams[g * size + i] = T(FtF[i]), HHts.data[g * size + i] = 0;
  double energy = 0;
  for (Index first = 0; first < width; first += small.columns) {
    energy += move_columns<T>(rule_H, {FtX.data(), k, width, width}, {grams.data(), n_groups, k, k}, small.l1s,
                              small.edges.data, H, other_H, beta, next_beta, small.alpha, further,
                              {products.data(), n_groups, k, k}, first, smaller(first + small.columns, width));
    add_to<T>(HHts.data, products.data(), products.size());
  }
  return energy;
}

}  // namespace coupled_nmf::INSTRUCTIONS
