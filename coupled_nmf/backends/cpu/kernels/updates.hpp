// Multiplicative updates of panels of F under Kullback–Leibler.
#pragma once
#include "divergence.hpp"

namespace coupled_nmf::INSTRUCTIONS {

constexpr int PANEL_UPDATES = 12;  // before Newton's steps: they go well near the minimum
constexpr Index NEAR_FROM = 500;    // k times n_features: below, panels cost more than they save

// The multiplicative update: the v with v (sums + l1 + l2 v) = V cross, where a bound above J is least.
//
// With l2 = 0 it is V cross / (sums + l1). To divide by sums + l1 + l2 V instead steps too far: J may rise.
template <class T>
void divide_by_sums(Rows<T> panel, Rows<T> cross, const double* sums, T l1, T l2, Index height) {
  for (Index j = 0; j < panel.n_rows; ++j)
    for (Index lane = 0; lane < height; ++lane) {
      constexpr T smallest = Numbers<T>::smallest;
      const T value = panel[j][lane], by = cross[j][lane];
      T divisor = T(sums[j]) + l1;
      if (l2 > 0) divisor = T(moves::mean_root(double(divisor), double(l2) * double(value) * double(by)));
      panel[j][lane] = moves::multiplied(value, by / larger(divisor, smallest), smallest);
    }
}

// Rows of F by a few multiplicative updates, a panel at a time: from there few of Newton's steps are left, which go row
// by row.
template <class T>
class NearF {
 public:
  INLINE NearF(Tile<T> tile, Bounds bounds, const Divisors<T>& by, double l1, double l2)
      : by_(by),
        l1_(T(l1)),
        l2_(T(l2)),
        R_(by.H.n_rows * by.H.n_columns),
        quotients_(tile, bounds, by, weighted(bounds)),
        panel_(by.H.n_rows),
        cross_(by.H.n_rows),
        there_(by.H.n_rows) {}

  // F becomes zeros, which say that there is no start, but for the rows in `order`, and for those where it does not pay.
  INLINE void find(Span<const Index> order, Rows<const bool> absent, Rows<T> F) {
    set_zero(F);
    if (by_.H.n_rows * by_.H.n_columns < NEAR_FROM) return;
    const Gaps gaps{absent, {nullptr, 0}};
    for_panels(order, gaps, [&](Span<const Index> some) {
      const bool* lacks = absent[some[0]];
      quotients_.begin(some, lacks);
      sums_there(by_.sums, lacks, by_.alpha, there_.data());
      for (T& one : panel_.span()) one = 1;
      for (int i = 0; i < PANEL_UPDATES; ++i) {
        quotients_.multiply(panel_.view(), cross_.view());
        divide_by_sums(panel_.view(), cross_.view(), there_.data(), l1_, l2_, some.size);
      }
      put_listed(panel_.view(), F, some);
    });
  }

 private:
  // α⊙H
  INLINE Rows<const T> weighted(Bounds bounds) const {
    for (Index j = 0; j < by_.H.n_rows; ++j)
      for (Index block = 0; block < bounds.n_blocks(); ++block)
        for (Index i = bounds[block]; i < bounds[block + 1]; ++i)
          R_[j * by_.H.n_columns + i] = T(by_.H[j][i] * by_.alpha[block]);
    return {R_.data(), by_.H.n_rows, by_.H.n_columns, by_.H.n_columns};
  }

  const Divisors<T>& by_;
  const T l1_, l2_;
  const Room<T> R_;
  Quotients<T> quotients_;
  const Panel<T> panel_, cross_;
  const Room<double> there_;
};

}  // namespace coupled_nmf::INSTRUCTIONS
