// What a sweep does to one tile with missing entries.
#pragma once
#include "gaps.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// As `move_tile`, for rows with gaps, in an `order` that puts those together that lack the same blocks.
//
// `grams` and FtFs (n_blocks, k, k) are those of each block. Gaps, which `places` lists, are filled by F H for the
// move, and once more after it, for the sums. `extras` (2,) becomes Σ w α x² over the gaps so filled, and what l1 and
// l2 add to J.
template <class T>
void move_gappy_tile(const Rule& rule, Tile<T> tile, Bounds bounds, Span<const Index> order, const Gaps& gaps,
                     const GapPlaces& places, Rows<const T> R, Rows<const T> H, const double* alpha,
                     Stack<const T> grams, T l1, T l2, Rows<T> F, Rows<T> other, T beta, T next_beta,
                     Span<const double> weights, Rows<T> FtX, Stack<T> FtFs, double* extras) {
  const Index k = F.n_columns;
  const Panel<T> panel(k), before(k), cross(k);
  const Room<T> own(k * k), gram(k * k);
  const GramSum<T> products(k);
  const Turned<T> moments(tile, k);
  GappyTile<T> x(tile, bounds, R, H, alpha, places);
  set_zero(FtX);
  for (Index i = 0; i < FtFs.n * k * k; ++i) FtFs.data[i] = 0;
  extras[0] = extras[1] = 0;
  for_panels(order, gaps, [&](Span<const Index> some) {
    const bool* lacks = gaps.absent[some[0]];
    take_listed(F, some, panel.view());
    if (beta > 0) {
      take_listed(other, some, before.view());
      extrapolate(panel.view(), before.view(), beta);
    }
    x.begin(some, lacks, gaps.is_scattered(some[0]));
    x.multiply(panel.view(), cross.view());
    gram_of(grams, lacks, l2, gram.rows(k));
    Mover<T>(rule, {gram.data(), k, k, k}, l1).move(panel.view(), cross.view(), some.size);
    if (next_beta > 0) take_listed(F, some, before.view());
    put_listed(panel.view(), other, some);
    if (next_beta > 0) extrapolate(panel.view(), before.view(), next_beta);
    double room[PANEL];
    const Span<const double> listed = listed_weights(weights, some, room);
    const Panel<T>& weighted = weights.size ? before : panel;
    if (weights.size) weigh(panel.view(), listed.data, some.size, before.view());
    extras[0] += x.add_moments(panel.view(), weighted.view(), listed, FtX, moments);
    extras[1] += penalty_of(weighted.view(), panel.view(), some.size, l1, l2);
    products.clear();
    products.add(panel.view(), weighted.view(), some.size);
    products.put(own.rows(k));
    for (Index block = 0; block < FtFs.n; ++block)
      if (!lacks[block])
        for (Index i = 0; i < k * k; ++i) FtFs.data[block * k * k + i] += own[i];
  });
  moments.put_back(FtX);
}

}  // namespace coupled_nmf::INSTRUCTIONS
