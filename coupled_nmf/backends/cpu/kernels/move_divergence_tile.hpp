// What a sweep does to one tile under Kullback–Leibler.
#pragma once
#include "updates.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// Move the rows F of a tile by multiplicative updates, and sum what H's move needs.
//
// Each row moves from a point on the way from `other` to F, further on by `beta`; where it ends is written to `other`
// (which may be F itself, with a beta of 0). FtQ (k, n_features) becomes Fᵀ(X / F H), each row times its weight, Fsums
// (n_blocks, k) the sums of F over the rows that have the block; `extras` (2,) 2 Σ w α D at the new F, and what l1 and
// l2 add. R is α⊙H.
template <class T>
void move_divergence_tile(int n_sweeps, Tile<T> tile, Bounds bounds, Span<const Index> order, Rows<const bool> absent,
                          const Divisors<T>& by, Rows<const T> R, T l1, T l2, Span<const double> weights, Rows<T> F,
                          Rows<T> other, T beta, Rows<T> FtQ, Rows<double> Fsums, double* extras) {
  const Index k = F.n_columns;
  const Panel<T> panel(k), cross(k), scaled(k);
  const Turned<T> moments(tile, k);
  Quotients<T> quotients(tile, bounds, by, R);
  const Room<double> there(k);
  double room[PANEL];
  set_zero(FtQ);
  set_zero(Fsums);
  extras[0] = extras[1] = 0;
  const Gaps gaps{absent, {nullptr, 0}};  // other gaps cost nothing here
  for_panels(order, gaps, [&](Span<const Index> some) {
    const bool* lacks = absent[some[0]];
    take_listed(F, some, panel.view());
    if (beta > 0) {
      take_listed(other, some, cross.view());
      extrapolate_above_zero(panel.view(), cross.view(), beta);
    }
    quotients.begin(some, lacks);
    sums_there(by.sums, lacks, by.alpha, there.data());
    for (int sweep = 0; sweep < n_sweeps; ++sweep) {
      quotients.multiply(panel.view(), cross.view());
      divide_by_sums(panel.view(), cross.view(), there.data(), l1, l2, some.size);
    }
    put_listed(panel.view(), other, some);
    const Span<const double> listed = listed_weights(weights, some, room);
    const Panel<T>& weighted = weights.size ? scaled : panel;
    if (weights.size) weigh(panel.view(), listed.data, some.size, scaled.view());
    extras[0] += quotients.add_moments(panel.view(), weighted.view(), listed, FtQ, moments);
    extras[1] += penalty_of(weighted.view(), panel.view(), some.size, l1, l2);
    for (Index block = 0; block < Fsums.n_rows; ++block)
      if (!lacks[block])
        for (Index j = 0; j < k; ++j)
          for (Index lane = 0; lane < some.size; ++lane) Fsums[block][j] += double(weighted.row(j)[lane]);
  });
  moments.put_back(FtQ);
}

}  // namespace coupled_nmf::INSTRUCTIONS
