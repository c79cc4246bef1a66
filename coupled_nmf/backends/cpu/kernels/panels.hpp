// Panels: some rows of a factor, held transposed, (k, PANEL), so that the innermost loops run over rows whatever the
// rank; and what is done to all entries of one.
#pragma once
#include "../../kernels/moves.hpp"
#include "arguments.hpp"
#include "numbers.hpp"
#include "products.hpp"
#include "room.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// A panel of zeros.
template <class T>
struct Panel : Room<T> {
  INLINE explicit Panel(Index k) : Room<T>(k * PANEL, T(0)), k(k) {}
  INLINE T* row(Index j) const { return this->data() + j * PANEL; }
  INLINE Rows<T> view() const { return {this->data(), k, PANEL, PANEL}; }
  Index k;
};

// Put rows `start` to `start + height` of V, transposed, into a panel.
template <class T>
void take_rows(Rows<T> V, Index start, Index height, Rows<T> panel) {
  for (Index lane = 0; lane < height; ++lane) {
    const T* row = V[start + lane];
    for (Index j = 0; j < panel.n_rows; ++j) panel[j][lane] = row[j];
  }
}

// Put back what `take_rows` took.
template <class T>
void put_rows(Rows<T> panel, Rows<T> V, Index start, Index height) {
  for (Index lane = 0; lane < height; ++lane) {
    T* row = V[start + lane];
    for (Index j = 0; j < panel.n_rows; ++j) row[j] = panel[j][lane];
  }
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

// gram += panel otherᵀ over the first `height` lanes.
template <class T>
void add_gram(Rows<T> panel, Rows<T> other, Index height, Rows<T> gram) {
  const Index k = panel.n_rows;
  add_dots<T>(panel.data, panel.stride, k, height, other.data, other.stride, k, gram.data, gram.stride);
}

}  // namespace coupled_nmf::INSTRUCTIONS
