// Kullback–Leibler on a tile: quotients x / (F H) in the place of x.
//
// Of sparse parts only the stored entries are touched: the others enter through sums of H. A missing entry has the
// quotient 1, which is to fill it by F H; a sample that lacks a block drops its terms.
#pragma once
#include "gaps.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// found = x / found, 1 where x is missing.
template <class T>
INLINE void divide(const T* x, T* found, Index n) {
  for (Index i = 0; i < n; ++i) {
    const T quotient = x[i] / larger(found[i], Numbers<T>::lowest);
    found[i] = x[i] == x[i] ? quotient : T(1);
  }
}

// x log q − x of an entry; what to take from the sum of F H if it is missing.
template <class T>
INLINE double entry_loss(T x, T quotient, double found) {
  if (x != x) return -found;
  return x > 0 && quotient > 0 ? double(x) * (std::log(double(quotient)) - 1.0) : 0.0;  // which may underflow
}

// Σ x log q − x + F H over what is there; `sum` is that of F H.
template <class T>
INLINE double divergence(const T* x, const T* quotients, Index n, double sum) {
  for (Index i = 0; i < n; ++i)
    if (x[i] > 0) sum += entry_loss(x[i], quotients[i], 0);
  return sum;
}

// Sum of F H over the entries that are there.
template <class T>
INLINE double sum_there(const T* x, const T* found, Index n) {
  double total = 0;
  for (Index i = 0; i < n; ++i) total += x[i] == x[i] ? double(found[i]) : 0.0;
  return total;
}

template <class T>
double dense_quotients(const Part<T>& part, const T* x, T* found, const bool* absent, Bounds bounds,
                       const double* alpha, bool with_loss) {
  double loss = 0;
  for_blocks(bounds, part, [&](Index block, Index start, Index stop) {
    const Index n = stop - start;
    if (absent[block]) {
      for (Index i = start; i < stop; ++i) found[i] = 0;
      return;
    }
    const double sum = with_loss ? sum_there(x + start, found + start, n) : 0;
    divide(x + start, found + start, n);
    if (with_loss) loss += alpha[block] * divergence(x + start, found + start, n, sum);
  });
  return loss;
}

template <class T>
double stored_quotients(const Part<T>& part, Index row, T* found, const bool* absent, Bounds bounds, const T* f,
                        const Divisors<T>& by, bool with_loss) {
  const Index k = by.H.n_rows;
  const Entries<T> x = entries_of(part, row);
  double loss = 0;
  for (Index e = 0, block = 0; e < x.size; ++e) {
    const T* h = by.Ht[x.column(e)];
    T value = 0;
    for (Index j = 0; j < k; ++j) value += f[j] * h[j];
    const bool missing = x.data[e] != x.data[e];
    if (missing || with_loss) block = bounds.block_of(x.column(e), block);
    if (missing && absent[block]) {
      found[e] = 0;
      continue;
    }
    found[e] = missing ? T(1) : x.data[e] / larger(value, Numbers<T>::lowest);
    if (with_loss) loss += by.alpha[block] * entry_loss(x.data[e], found[e], double(value));
  }
  if (with_loss)
    for_blocks(bounds, part, [&](Index block, Index, Index) {
      if (!absent[block])
        for (Index j = 0; j < k; ++j) loss += by.alpha[block] * double(f[j]) * by.sums[block][j];
    });
  return loss;
}

// Set the small tile to x / (F H) over some rows, 0 in absent blocks; return 2 Σ w α D, if asked for.
template <class T>
double fill_quotients(Tile<T> tile, const Small<T>& small, Span<const Index> some, const bool* absent, Bounds bounds,
                      Rows<T> panel, const Divisors<T>& by, Span<const double> weights, bool with_loss) {
  const Upright<T> f(panel, some.size);
  double loss = 0;
  for (Index p = 0; p < tile.n_parts; ++p) {
    const Part<T>& part = tile[p];
    if (!part.is_sparse()) fill_with_products(small, p, f, by.H);
    for (Index lane = 0; lane < some.size; ++lane) {
      T* found = small.row(p, lane);
      const double own = part.is_sparse()
                             ? stored_quotients(part, some[lane], found, absent, bounds, f.row(lane), by, with_loss)
                             : dense_quotients(part, part.row(some[lane]), found, absent, bounds, by.alpha, with_loss);
      loss += 2 * weight_of(weights, some[lane]) * own;
    }
  }
  return loss;
}

// Σ α_b of the blocks' sums (n_blocks, k), over those that are there.
INLINE void sums_there(Rows<const double> sums, const bool* absent, const double* alpha, double* out) {
  for (Index j = 0; j < sums.n_columns; ++j) out[j] = 0;
  for (Index block = 0; block < sums.n_rows; ++block)
    if (!absent[block])
      for (Index j = 0; j < sums.n_columns; ++j) out[j] += alpha[block] * sums[block][j];
}

// The multiplicative update: the v with v (sums + l1 + l2 v) = V cross, where a bound above J is least.
//
// With l2 = 0 it is V cross / (sums + l1). To divide by sums + l1 + l2 V instead steps too far: J may rise.
template <class T>
void divide_by_sums(Rows<T> panel, Rows<T> cross, const double* sums, T l1, T l2, Index height) {
  for (Index j = 0; j < panel.n_rows; ++j)
    for (Index lane = 0; lane < height; ++lane) {
      T divisor = T(sums[j]) + l1;
      if (l2 > 0) divisor = T(moves::mean_root(double(divisor), double(l2) * double(panel[j][lane]) * double(cross[j][lane])));
      panel[j][lane] = moves::multiplied(panel[j][lane], cross[j][lane] / larger(divisor, Numbers<T>::smallest), Numbers<T>::smallest);
    }
}

// Move the rows F of a tile in place by multiplicative updates, and sum what H's move needs.
//
// FtQ (k, n_features) becomes Fᵀ(X / F H), each row times its weight, Fsums (n_blocks, k) the sums of F over the rows
// that have the block; `extras` (2,) 2 Σ w α D at the new F, and what l1 and l2 add. R is α⊙H.
template <class T>
void move_divergence_tile(int n_sweeps, Tile<T> tile, Bounds bounds, Span<const Index> order, Rows<const bool> absent,
                          const Divisors<T>& by, Rows<const T> R, T l1, T l2, Span<const double> weights, Rows<T> F,
                          Rows<T> FtQ, Rows<double> Fsums, double* extras) {
  const Index k = F.n_columns;
  const Panel<T> panel(k), cross(k), scaled(k);
  const Turned<T> turned(tile, R), moments(tile, k);
  const Room<double> there(k);
  double room[PANEL];
  set_zero(FtQ);
  set_zero(Fsums);
  extras[0] = extras[1] = 0;
  const Gaps gaps{absent, {nullptr, 0}};  // other gaps cost nothing here
  for_panels(order, gaps, [&](Span<const Index> some) {
    const bool* lacks = absent[some[0]];
    take_listed(F, some, panel.view());
    const Small<T> small(tile, some);
    sums_there(by.sums, lacks, by.alpha, there.data());
    for (int sweep = 0; sweep < n_sweeps; ++sweep) {
      fill_quotients(tile, small, some, lacks, bounds, panel.view(), by, weights, false);
      cross_of(small.tile(), R, turned, 0, some.size, cross.view());
      divide_by_sums(panel.view(), cross.view(), there.data(), l1, l2, some.size);
    }
    put_listed(panel.view(), F, some);
    extras[0] += fill_quotients(tile, small, some, lacks, bounds, panel.view(), by, weights, true);
    const Panel<T>& weighted = weights.size ? scaled : panel;
    if (weights.size) weigh(panel.view(), listed_weights(weights, some, room).data, some.size, scaled.view());
    extras[1] += penalty_of(weighted.view(), panel.view(), some.size, l1, l2);
    add_moments(small.tile(), weighted.view(), 0, some.size, FtQ, moments);
    for (Index block = 0; block < Fsums.n_rows; ++block)
      if (!lacks[block])
        for (Index j = 0; j < k; ++j)
          for (Index lane = 0; lane < some.size; ++lane) Fsums[block][j] += double(weighted.row(j)[lane]);
  });
  moments.put_back(FtQ);
}

}  // namespace coupled_nmf::INSTRUCTIONS
