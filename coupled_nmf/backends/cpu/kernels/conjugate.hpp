// Conjugate gradients for all rows of a panel at once: where descent along one entry after the other crawls, since
// components overlap, a few steps along all of them together do not.
#pragma once
#include <limits>

#include "panels.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// What is added to a gram's diagonal of ones before it is inverted: the inverse of the whole is near that of the
// entries in use only where it is not large, as it is where components are nearly dependent.
constexpr double APART = 0.05;

// About the inverse of a gram whose diagonal is 1 (or 0), by the symmetric sweep of one component after the other
// (Goodnight 1979).
template <class T>
void invert(Rows<const double> gram, Rows<T> inverse) {
  const Index k = gram.n_rows;
  const Room<double> half(k * k), column(k);
  const Rows<double> A = half.rows(k);
  for (Index i = 0; i < k; ++i)
    for (Index j = 0; j <= i; ++j) A[i][j] = gram[i][j] + (i == j ? APART : 0.0);
  for (Index p = 0; p < k; ++p) {
    const double pivot = A[p][p];
    for (Index i = 0; i < k; ++i) column[i] = i < p ? A[p][i] : A[i][p];
    for (Index i = 0; i < k; ++i) {
      const double part = column[i] / pivot;
      for (Index j = 0; j <= i; ++j) A[i][j] -= part * column[j];
    }
    for (Index i = 0; i < k; ++i) (i < p ? A[p][i] : A[i][p]) = i == p ? -1 / pivot : column[i] / pivot;
  }
  for (Index i = 0; i < k; ++i)
    for (Index j = 0; j <= i; ++j) inverse[i][j] = inverse[j][i] = T(-A[i][j]);
}

template <class T>
class Conjugate {
 public:
  INLINE Conjugate(Rows<const T> gram, Rows<const T> inverse)
      : gram_(gram),
        inverse_(inverse),
        residual_(gram.n_rows),
        direction_(gram.n_rows),
        product_(gram.n_rows),
        inside_(gram.n_rows) {}

  // Where rows would be that need not be above zero; what is below becomes zero, and the rest is scaled to what is
  // best.
  void guess(Rows<T> v, Rows<T> cross) const {
    T along[PANEL] = {}, squares[PANEL] = {};
    multiply(inverse_, cross);
    for (Index j = 0; j < v.n_rows; ++j)
      for (Index lane = 0; lane < PANEL; ++lane) v[j][lane] = larger(product_.row(j)[lane], T(0));
    multiply(gram_, v);
    for (Index j = 0; j < v.n_rows; ++j)
      for (Index lane = 0; lane < PANEL; ++lane) {
        along[lane] += v[j][lane] * cross[j][lane];
        squares[lane] += v[j][lane] * product_.row(j)[lane];
      }
    for (Index lane = 0; lane < PANEL; ++lane) along[lane] = ratio(larger(along[lane], T(0)), squares[lane]);
    for (Index j = 0; j < v.n_rows; ++j)
      for (Index lane = 0; lane < PANEL; ++lane) v[j][lane] *= along[lane];
  }

  // Go some steps towards the least of ½ v·gram·v − cross·v over the entries of v that are above zero, each by the
  // inverse of the whole gram; what falls below zero becomes zero. `missed` becomes no less than how far that inverse
  // says that each lane's entries are from there then, and than what fell below.
  void go(Rows<T> v, Rows<T> cross, int n_steps, T* missed) const {
    T falls[PANEL], along[PANEL];
    multiply(gram_, v);
    for (Index j = 0; j < v.n_rows; ++j)
      for (Index lane = 0; lane < PANEL; ++lane) {
        inside_.row(j)[lane] = v[j][lane] > 0 ? 1 : 0;
        residual_.row(j)[lane] = (cross[j][lane] - product_.row(j)[lane]) * inside_.row(j)[lane];
      }
    multiply(inverse_, residual_.view());
    turn(nullptr, falls);
    for (int step = 0; step < n_steps; ++step) {
      multiply(gram_, direction_.view());
      step_along(v, falls, along);
      multiply(inverse_, residual_.view());
      turn(falls, falls);
    }
    for (Index j = 0; j < v.n_rows; ++j)
      for (Index lane = 0; lane < PANEL; ++lane) {
        const T left = product_.row(j)[lane] * inside_.row(j)[lane], now = v[j][lane];
        missed[lane] = larger(missed[lane], larger(left < 0 ? -left : left, -now));
        v[j][lane] = now <= Numbers<T>::smallest ? 0 : now;
      }
  }

 private:
  // Curvature of a gram of ones that is not rounding: where components are parallel, a step would know no end.
  static constexpr T LEAST = 8 * std::numeric_limits<T>::epsilon();

  static INLINE T ratio(T above, T below) { return below > 0 ? above / below : T(0); }

  // product = matrix v.
  INLINE void multiply(Rows<const T> matrix, Rows<T> v) const {
    const Index k = v.n_rows;
    set_zero(product_.view());
    add_outers<T>(matrix.data, matrix.stride, k, v.data, v.stride, k, PANEL, product_.data(), PANEL);
  }

  // To the least along `direction`, whose product with the gram is `product`.
  INLINE void step_along(Rows<T> v, const T* falls, T* along) const {
    T squares[PANEL] = {};
    for (Index lane = 0; lane < PANEL; ++lane) along[lane] = 0;
    for (Index j = 0; j < v.n_rows; ++j) {
      const T *direction = direction_.row(j), *product = product_.row(j);
      for (Index lane = 0; lane < PANEL; ++lane) {
        along[lane] += direction[lane] * product[lane];
        squares[lane] += direction[lane] * direction[lane];
      }
    }
    for (Index lane = 0; lane < PANEL; ++lane)
      along[lane] = ratio(falls[lane], larger(along[lane], LEAST * squares[lane]));
    for (Index j = 0; j < v.n_rows; ++j) {
      T* residual = residual_.row(j);
      const T *direction = direction_.row(j), *product = product_.row(j), *inside = inside_.row(j);
      for (Index lane = 0; lane < PANEL; ++lane) {
        v[j][lane] += along[lane] * direction[lane];
        residual[lane] -= along[lane] * product[lane] * inside[lane];
      }
    }
  }

  // The next direction, from `product`, which is the inverse's with the residual, and from the last, if there is one;
  // `falls` becomes how steep each lane is there.
  INLINE void turn(const T* last, T* falls) const {
    T now[PANEL] = {}, part[PANEL] = {};
    for (Index j = 0; j < residual_.k; ++j)
      for (Index lane = 0; lane < PANEL; ++lane) now[lane] += residual_.row(j)[lane] * product_.row(j)[lane];
    if (last)
      for (Index lane = 0; lane < PANEL; ++lane) part[lane] = ratio(now[lane], last[lane]);
    else
      set_zero(direction_.view());  // what another row left in its lane, which may be NaN, is not to count
    for (Index j = 0; j < residual_.k; ++j) {
      T* direction = direction_.row(j);
      const T *product = product_.row(j), *inside = inside_.row(j);
      for (Index lane = 0; lane < PANEL; ++lane)
        direction[lane] = product[lane] * inside[lane] + part[lane] * direction[lane];
    }
    for (Index lane = 0; lane < PANEL; ++lane) falls[lane] = now[lane];
  }

  const Rows<const T> gram_, inverse_;
  const Panel<T> residual_, direction_, product_, inside_;
};

}  // namespace coupled_nmf::INSTRUCTIONS
