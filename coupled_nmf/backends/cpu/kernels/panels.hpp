// Panels: some rows of a factor, held transposed, (k, PANEL), so that the innermost loops run over rows whatever the
// rank; and what is done to all entries of one.
#pragma once
#include "../../kernels/moves.hpp"
#include "arguments.hpp"
#include "numbers.hpp"
#include "products.hpp"
#include "room.hpp"
#include "transpose.hpp"

namespace coupled_nmf::INSTRUCTIONS {

template <class T>
void set_zero(Rows<T> rows) {
  for (Index i = 0; i < rows.n_rows; ++i)
    for (Index j = 0; j < rows.n_columns; ++j) rows[i][j] = 0;
}

// A panel of zeros.
template <class T>
struct Panel : Room<T> {
  INLINE explicit Panel(Index k) : Room<T>(k * PANEL, T(0)), k(k) {}
  INLINE T* row(Index j) const { return this->data() + j * PANEL; }
  INLINE Rows<T> view() const { return {this->data(), k, PANEL, PANEL}; }
  Index k;
};

// The lanes of a panel as rows of whole vectors.
template <class T>
class Upright : public Room<T> {
 public:
  INLINE explicit Upright(Index k) : Room<T>(padded<T>(k) * PANEL, T(0)), k(k), stride(padded<T>(k)) {}

  INLINE void take(Rows<T> panel, Index height) const {
    transpose(panel.data, panel.stride, panel.n_rows, height, this->data(), stride);
  }
  INLINE T* row(Index lane) const { return this->data() + lane * stride; }
  const Index k, stride;
};

// Put rows `start` to `start + height` of V, transposed, into a panel.
template <class T>
void take_rows(Rows<T> V, Index start, Index height, Rows<T> panel) {
  transpose(V[start], V.stride, height, panel.n_rows, panel.data, panel.stride);
}

// Put back what `take_rows` took.
template <class T>
void put_rows(Rows<T> panel, Rows<T> V, Index start, Index height) {
  transpose(panel.data, panel.stride, panel.n_rows, height, V[start], V.stride);
}

// The same for rows that are listed; the lanes that are left become zero.
template <class T>
void take_listed(Rows<T> V, Span<const Index> some, Rows<T> panel) {
  for (Index j = 0; j < panel.n_rows; ++j)
    for (Index lane = some.size; lane < PANEL; ++lane) panel[j][lane] = 0;
  for (Index lane = 0; lane < some.size; ++lane) {
    const T* row = V[some[lane]];
    for (Index j = 0; j < panel.n_rows; ++j) panel[j][lane] = row[j];
  }
}

template <class T>
void put_listed(Rows<T> panel, Rows<T> V, Span<const Index> some) {
  for (Index lane = 0; lane < some.size; ++lane) {
    T* row = V[some[lane]];
    for (Index j = 0; j < panel.n_rows; ++j) row[j] = panel[j][lane];
  }
}

// `panel + beta (panel − before)`, not below zero, in place.
template <class T>
void extrapolate(Rows<T> panel, Rows<T> before, T beta) {
  for (Index j = 0; j < panel.n_rows; ++j)
    for (Index lane = 0; lane < PANEL; ++lane)
      panel[j][lane] = moves::extrapolated(panel[j][lane], before[j][lane], beta);
}

// The same for multiplicative updates.
template <class T>
void extrapolate_above_zero(Rows<T> panel, Rows<T> before, T beta) {
  for (Index j = 0; j < panel.n_rows; ++j)
    for (Index lane = 0; lane < PANEL; ++lane)
      panel[j][lane] = moves::extrapolated_above_zero(panel[j][lane], before[j][lane], beta);
}

// The panel, times the weight of each of its rows.
template <class T>
void weigh(Rows<T> panel, const double* weights, Index height, Rows<T> out) {
  for (Index j = 0; j < panel.n_rows; ++j)
    for (Index lane = 0; lane < height; ++lane) out[j][lane] = T(panel[j][lane] * weights[lane]);
}

// What l1 and l2 add to J: 2 l1 v + l2 v² of each entry, times its weight.
template <class T>
double penalty_of(Rows<T> weighted, Rows<T> panel, Index height, T l1, T l2) {
  double total = 0;
  if (l1 != 0 || l2 != 0)
    for (Index j = 0; j < panel.n_rows; ++j)
      for (Index lane = 0; lane < height; ++lane)
        total += moves::penalty(double(weighted[j][lane]), panel[j][lane], double(l1), double(l2));
  return total;
}

// The sum of panels' products with themselves, each lane times its weight: its lower half, in whole vectors.
template <class T>
class GramSum {
 public:
  INLINE explicit GramSum(Index k) : upright_(k), sums_(k * upright_.stride, T(0)) {}

  INLINE void clear() const {
    for (Index i = 0; i < sums_.size(); ++i) sums_[i] = 0;
  }

  // Add the product of the first `height` lanes of a panel, and of the same ones times their weights.
  INLINE void add(Rows<T> panel, Rows<T> weighted, Index height) const {
    upright_.take(weighted, height);
    add_upright(panel, upright_, height);
  }

  // The same, where those times their weights are upright.
  INLINE void add_upright(Rows<T> panel, const Upright<T>& weighted, Index height) const {
    for (Index j = 0; j < panel.n_rows; j += OUTER_ROWS) {
      const Index rows = smaller<Index>(OUTER_ROWS, panel.n_rows - j);
      add_outers<T>(panel[j], panel.stride, rows, weighted.data(), weighted.stride, height, padded<T>(j + rows),
                    sums_.data() + j * upright_.stride, upright_.stride);
    }
  }

  INLINE void put(Rows<T> gram) const {
    for (Index i = 0; i < gram.n_rows; ++i)
      for (Index j = 0; j <= i; ++j) gram[i][j] = gram[j][i] = sums_[i * upright_.stride + j];
  }

 private:
  const Upright<T> upright_;
  const Room<T> sums_;
};

}  // namespace coupled_nmf::INSTRUCTIONS
