// Conjugate gradients for all rows of a panel at once: where descent along one entry after the other crawls, since
// components overlap, a few steps along all of them together do not.
#pragma once
#include "panels.hpp"

namespace coupled_nmf::INSTRUCTIONS {

template <class T>
class Conjugate {
 public:
  INLINE explicit Conjugate(Rows<const T> gram)
      : gram_(gram), residual_(gram.n_rows), direction_(gram.n_rows), product_(gram.n_rows), scales_(gram.n_rows) {}

  // Go some steps towards the least of ½ v·gram·v − cross·v over the entries of v that are above zero; each is scaled by
  // its diagonal, and what falls below zero becomes zero.
  void go(Rows<T> v, Rows<T> cross, int n_steps) const {
    T falls[PANEL] = {}, next[PANEL], along[PANEL];
    multiply(v);
    for (Index j = 0; j < v.n_rows; ++j) {
      const T scale = moves::scale_of(gram_[j][j], T(0));
      T *residual = residual_.row(j), *direction = direction_.row(j), *scales = scales_.row(j);
      for (Index lane = 0; lane < PANEL; ++lane) {
        scales[lane] = v[j][lane] > 0 ? scale : 0;
        residual[lane] = cross[j][lane] - product_.row(j)[lane];
        direction[lane] = residual[lane] * scales[lane];
        falls[lane] += residual[lane] * direction[lane];
      }
    }
    for (int step = 0; step < n_steps; ++step) {
      multiply(direction_.view());
      for (Index lane = 0; lane < PANEL; ++lane) along[lane] = next[lane] = 0;
      for (Index j = 0; j < v.n_rows; ++j)
        for (Index lane = 0; lane < PANEL; ++lane) along[lane] += direction_.row(j)[lane] * product_.row(j)[lane];
      for (Index lane = 0; lane < PANEL; ++lane) along[lane] = along[lane] > 0 ? falls[lane] / along[lane] : 0;
      for (Index j = 0; j < v.n_rows; ++j) {
        T* residual = residual_.row(j);
        const T *direction = direction_.row(j), *product = product_.row(j), *scales = scales_.row(j);
        for (Index lane = 0; lane < PANEL; ++lane) {
          v[j][lane] += along[lane] * direction[lane];
          residual[lane] -= along[lane] * product[lane];
          next[lane] += residual[lane] * residual[lane] * scales[lane];
        }
      }
      for (Index lane = 0; lane < PANEL; ++lane) {
        const T turn = falls[lane] > 0 ? next[lane] / falls[lane] : 0;
        along[lane] = turn, falls[lane] = next[lane];
      }
      for (Index j = 0; j < v.n_rows; ++j) {
        const T *residual = residual_.row(j), *scales = scales_.row(j);
        T* direction = direction_.row(j);
        for (Index lane = 0; lane < PANEL; ++lane)
          direction[lane] = residual[lane] * scales[lane] + along[lane] * direction[lane];
      }
    }
    for (Index j = 0; j < v.n_rows; ++j)
      for (Index lane = 0; lane < PANEL; ++lane) v[j][lane] = v[j][lane] <= Numbers<T>::smallest ? 0 : v[j][lane];
  }

 private:
  // product = gram v.
  INLINE void multiply(Rows<T> v) const {
    const Index k = v.n_rows;
    for (Index i = 0; i < k * PANEL; ++i) product_[i] = 0;
    add_outers<T>(gram_.data, gram_.stride, k, v.data, v.stride, k, PANEL, product_.data(), PANEL);
  }

  const Rows<const T> gram_;
  const Panel<T> residual_, direction_, product_, scales_;
};

}  // namespace coupled_nmf::INSTRUCTIONS
