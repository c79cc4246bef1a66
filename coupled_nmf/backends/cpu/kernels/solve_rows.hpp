// Non-negative least squares for many rows that share a gram.
#pragma once
#include <limits>

#include "conjugate.hpp"
#include "hals.hpp"

namespace coupled_nmf::INSTRUCTIONS {

constexpr int FIRST_SWEEPS = 3, SWEEPS_A_ROUND = 2, STEPS_AT_FIRST = 2, STEPS_AT_LAST = 5;
constexpr int NOISE = 16;  // of the rounding of a row's crosses: what a round moves an entry by that has settled

// Rows of V that wait, a panel of them at a time, with their crosses.
template <class T>
class Waiting {
 public:
  INLINE Waiting(Rows<T> V, Rows<const T> cross, Index* rows)
      : n(V.n_rows), panel(V.n_columns), wanted(V.n_columns), V_(V), cross_(cross), rows_(rows) {
    for (Index row = 0; row < n; ++row) {
      for (Index j = 0; j < V.n_columns; ++j) V[row][j] = 0;
      rows[row] = row;
    }
  }

  // `move` moves the panel and says how far each lane went; those go on waiting that went farther than `tol` of their
  // largest entry and than `noise` of the rounding of their crosses.
  template <class Move>
  void move(T tol, Rows<const T> gram, T noise, Move move) {
    Index n_left = 0;
    for (Index start = 0; start < n; start += PANEL) {
      const Index height = smaller(PANEL, n - start);
      for (Index lane = 0; lane < height; ++lane)
        for (Index j = 0; j < V_.n_columns; ++j) {
          panel.row(j)[lane] = V_[rows_[start + lane]][j];
          wanted.row(j)[lane] = larger(cross_[rows_[start + lane]][j], T(0));  // below, an entry is zero by any gram
        }
      T moved[PANEL] = {}, largest[PANEL] = {}, rounding[PANEL] = {};
      move(moved);
      for (Index j = 0; j < V_.n_columns; ++j) {
        const T scale = noise * std::numeric_limits<T>::epsilon() * moves::scale_of(gram[j][j], T(0));
        for (Index lane = 0; lane < PANEL; ++lane) {
          largest[lane] = larger(largest[lane], panel.row(j)[lane]);
          rounding[lane] = larger(rounding[lane], scale * wanted.row(j)[lane]);
        }
      }
      for (Index lane = 0; lane < height; ++lane) {
        const Index row = rows_[start + lane];
        for (Index j = 0; j < V_.n_columns; ++j) V_[row][j] = panel.row(j)[lane];
        if (!(moved[lane] <= larger(tol * largest[lane], rounding[lane]))) rows_[n_left++] = row;  // nor if it is NaN
      }
    }
    n = n_left;
  }

  Index n;
  const Panel<T> panel, wanted;

 private:
  const Rows<T> V_;
  const Rows<const T> cross_;
  Index* rows_;
};

// `moved` becomes no less than how far each lane's entries are from where they were; NaN, if one of them is.
template <class T>
void add_moves(const Panel<T>& panel, const Panel<T>& before, T* moved) {
  for (Index j = 0; j < panel.k; ++j)
    for (Index lane = 0; lane < PANEL; ++lane) {
      const T change = panel.row(j)[lane] - before.row(j)[lane], size = change < 0 ? -change : change;
      moved[lane] = size == size ? larger(moved[lane], size) : size;
    }
}

template <class T>
void copy(const Panel<T>& panel, const Panel<T>& to) {
  for (Index i = 0; i < panel.k * PANEL; ++i) to[i] = panel[i];
}

// Solve min ½ v·gram·v − cross·v, v >= 0, for every row of V by a gram without negative entries, from a guess in rounds
// of conjugate gradients on the entries above zero, and of sweeps, which find others; `inverse` is near that of the
// gram. `waiting` gets the rows that are not solved, and how many there are is returned.
//
// A row is done when no entry is farther from the least over those above zero than `tol` of the largest, or than what
// rounding moves it by, and sweeps move none by more. Its rounds grow longer, since the first find the entries that are
// above zero, and the last ones how far. Rows that are done leave the panels, so each row takes the work it needs and
// no more, and its result does not depend on its neighbours.
template <class T>
Index solve_rows(Rows<T> V, Rows<const T> gram, Rows<const T> inverse, Rows<const T> cross, T tol, int max_rounds,
                 Index* waiting) {
  const Gram<T> laid(gram);
  const Panel<T> before(V.n_columns);
  const Conjugate<T> conjugate(gram, inverse);
  Waiting<T> left(V, cross, waiting);
  const auto sweep = [&](int n) { hals_sweeps<T>(left.panel.view(), left.wanted.view(), laid, 0, n, 0, PANEL); };
  for (int round = 0; round < max_rounds && left.n > 0; ++round)
    left.move(tol, gram, NOISE, [&](T* moved) {
      if (round == 0) {
        conjugate.guess(left.panel.view(), left.wanted.view());
        sweep(FIRST_SWEEPS);
      }
      conjugate.go(left.panel.view(), left.wanted.view(), smaller(STEPS_AT_FIRST + round, STEPS_AT_LAST), moved);
      copy(left.panel, before);
      sweep(SWEEPS_A_ROUND);
      add_moves(left.panel, before, moved);
    });
  return left.n;
}

}  // namespace coupled_nmf::INSTRUCTIONS
