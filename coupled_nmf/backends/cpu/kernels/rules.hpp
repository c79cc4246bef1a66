// The solvers' rules: how a panel moves. What falls is ½ v·gram·v − cross·v + l1 Σv of each lane's v.
#pragma once
#include "hals.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// Multiplicative updates (Lee and Seung 2001), as in the paper: all entries at once, but those of the first `fixed`
// rows.
template <class T>
void multiplicative_sweeps(Rows<T> panel, Rows<T> cross, Rows<const T> gram, T l1, int n_sweeps, Index fixed) {
  const Index k = panel.n_rows;
  const Room<T> denominator(k * PANEL);
  for (int sweep = 0; sweep < n_sweeps; ++sweep) {
    for (Index i = 0; i < k * PANEL; ++i) denominator[i] = l1 + Numbers<T>::smallest;
    add_outers<T>(gram.data, gram.stride, k, panel.data, panel.stride, k, PANEL, denominator.data(), PANEL);
    for (Index j = fixed; j < k; ++j)
      for (Index lane = 0; lane < PANEL; ++lane)
        panel[j][lane] =
            moves::multiplicative(panel[j][lane], cross[j][lane], denominator[j * PANEL + lane], Numbers<T>::smallest);
  }
}

// A rule with its gram: made once, for any number of panels.
template <class T>
class Mover {
 public:
  INLINE Mover(const Rule& rule, Rows<const T> gram, T l1)
      : rule_(rule), gram_(gram), laid_(gram, l1 == 0 ? T(0) : T(LARGE)), l1_(l1) {}

  // Move the first `height` lanes of a panel; what the others hold does not count.
  INLINE void move(Rows<T> panel, Rows<T> cross, Index height) const {
    if (rule_.solver == Solver::hals)
      hals_sweeps(panel, cross, laid_, l1_, rule_.inner_sweeps, rule_.fixed, height);
    else
      multiplicative_sweeps(panel, cross, gram_, l1_, rule_.inner_sweeps, rule_.fixed);
  }

  // Of each lane, see `find_energies`.
  INLINE void energies(Rows<T> panel, Rows<T> cross, Index height, double* out) const {
    find_energies(panel, cross, laid_, l1_, height, out);
  }

 private:
  const Rule rule_;
  const Rows<const T> gram_;
  const Gram<T> laid_;
  const T l1_;
};

}  // namespace coupled_nmf::INSTRUCTIONS
