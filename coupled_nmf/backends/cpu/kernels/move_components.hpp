// How H moves under Kullback–Leibler: each of its entries by itself.
#pragma once
#include "chunks.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// The sum of n numbers, in double.
template <class T>
double sum_of(const T* row, Index n) {
  using L = Lanes<T>;
  const Index whole = n / L::COUNT * L::COUNT;
  WideSums<T> sums;
  for (Index i = 0; i < whole; i += L::COUNT) sums.add(L::load(row + i));
  double sum = sums.total();
  for (Index i = whole; i < n; ++i) sum += row[i];
  return sum;
}

// Columns `first` to `last`, all of one block, of row j; return what penalties add to J where the row moves from.
template <class T>
double move_component(const Components<T>& on, Index block, Index j, bool is_free, T beta, T next_beta, Index first,
                      Index last) {
  const auto [l1, l2, l1_of_J, l2_of_J] = on.penalties[block];
  const double linear = on.Fsums[block][j] + l1, *parts = on.parts[j];
  const T* held = on.H[j];
  T *other = on.other[j], *point = on.point[j], *R = on.R[j];
  constexpr double least = Numbers<double>::smallest;
  double cost = 0;
  if (l1_of_J != 0 || l2_of_J != 0)
    for (Index c = first; c < last; ++c) {
      const T start = beta > 0 ? moves::extrapolated_above_zero(held[c], other[c], beta) : held[c];
      cost += moves::penalty(double(start), start, l1_of_J, l2_of_J);
    }
  if (is_free)
    for (Index c = first; c < last; ++c) other[c] = moves::divided(parts[c], linear, l2, Numbers<T>::smallest, least);
  else
    for (Index c = first; c < last; ++c) other[c] = held[c];
  for (Index c = first; c < last; ++c)
    point[c] = next_beta > 0 ? moves::extrapolated_above_zero(other[c], held[c], next_beta) : other[c];
  for (Index c = first; c < last; ++c) R[c] = T(point[c] * on.alpha[block]);
  on.sums[block][j] += sum_of(point + first, last - first);
  return cost;
}

// Move columns `first` to `last` of H but for its first `fixed` rows, from a point on the way from `other` to H,
// further on by `beta`; `other` becomes what is found. `point` becomes that further on by `next_beta`, R α⊙ that, and
// `sums` its sums over each block's columns. Return what the penalties add to J where H moves from.
template <class T>
double move_components(const Components<T>& on, Bounds bounds, Index fixed, T beta, T next_beta, Index first,
                       Index last) {
  double cost = 0;
  set_zero(on.sums);
  for (Index block = 0; block < bounds.n_blocks(); ++block) {
    const Index start = larger(first, bounds[block]), stop = smaller(last, bounds[block + 1]);
    for (Index j = 0; start < stop && j < on.H.n_rows; ++j)
      cost += move_component(on, block, j, j >= fixed, beta, next_beta, start, stop);
  }
  return cost;
}

}  // namespace coupled_nmf::INSTRUCTIONS
