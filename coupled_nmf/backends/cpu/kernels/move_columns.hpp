// How the columns of H move: `move_tile` without x.
#pragma once
#include "rules.hpp"

namespace coupled_nmf::INSTRUCTIONS {

template <class T>
double move_group(const Rule& rule, Rows<const double> FtX, Rows<const T> gram, T l1, Rows<T> H, Rows<T> other, T beta,
                  T next_beta, const double* alpha, Rows<T> R, Rows<T> HHt, Index first, Index last) {
  const Index k = H.n_rows;
  const Panel<T> panel(k), before(k), cross(k), weighted(k);
  const Mover<T> mover(rule, gram, l1);
  const GramSum<T> products(k);
  double energy = 0, energies[PANEL];
  for (Index start = first; start < last; start += PANEL) {
    const Index height = smaller(PANEL, last - start);
    for (Index j = 0; j < k; ++j)
      for (Index lane = 0; lane < height; ++lane) {
        panel.row(j)[lane] = H[j][start + lane];
        before.row(j)[lane] = other[j][start + lane];
        cross.row(j)[lane] = T(FtX[j][start + lane]);
      }
    if (beta > 0) extrapolate(panel.view(), before.view(), beta);
    mover.move(panel.view(), cross.view(), height);
    mover.energies(panel.view(), cross.view(), height, energies);
    for (Index lane = 0; lane < height; ++lane) energy += alpha[start + lane] * energies[lane];
    for (Index j = 0; j < k; ++j)
      for (Index lane = 0; lane < height; ++lane) {
        before.row(j)[lane] = H[j][start + lane];
        other[j][start + lane] = panel.row(j)[lane];
      }
    if (next_beta > 0) extrapolate(panel.view(), before.view(), next_beta);
    weigh(panel.view(), alpha + start, height, weighted.view());
    for (Index j = 0; j < k; ++j)
      for (Index lane = 0; lane < height; ++lane) R[j][start + lane] = weighted.row(j)[lane];
    products.add(panel.view(), weighted.view(), height);
  }
  products.put(HHt);
  return energy;
}

// Move columns `first` to `last` of H (k, n_features) by gram and cross FtX.
//
// Columns edges[g] to edges[g + 1] are a group, with a gram, an l1, and a HHt of their own. R becomes α⊙ the point
// further on, HHts (n_groups, k, k) its products with that point; the sum of α⊙ the columns' energies is returned.
template <class T>
double move_columns(const Rule& rule, Rows<const double> FtX, Stack<const T> grams, const T* l1s, const Index* edges,
                    Rows<T> H, Rows<T> other, T beta, T next_beta, const double* alpha, Rows<T> R, Stack<T> HHts,
                    Index first, Index last) {
  double energy = 0;
  for (Index i = 0; i < HHts.n * HHts.n_rows * HHts.n_columns; ++i) HHts.data[i] = 0;
  for (Index g = 0; g < grams.n; ++g) {
    const Index start = larger(first, edges[g]), stop = smaller(last, edges[g + 1]);
    if (start < stop)
      energy += move_group(rule, FtX, grams[g], l1s[g], H, other, beta, next_beta, alpha, R, HHts[g], start, stop);
  }
  return energy;
}

}  // namespace coupled_nmf::INSTRUCTIONS
