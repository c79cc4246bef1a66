// What a sweep does to one tile: a panel of its rows is read from memory once, and used twice while it is in the second
// cache.
#pragma once
#include "rules.hpp"
#include "sparse_rows.hpp"

namespace coupled_nmf::INSTRUCTIONS {

constexpr int NARROW = 8;  // vectors of a row, at most: dot products of shorter ones are mostly adding up a vector

template <class T>
INLINE bool is_narrow(Index width) {
  return width <= NARROW * Lanes<T>::COUNT;
}

// out[:, :height] += h xᵀ of so many dense rows x, as wide as h. Narrow ones are transposed first, which costs less
// than it saves.
template <class T>
void add_cross(const T* x, Index stride, Index height, Rows<const T> h, Rows<T> out) {
  const Index width = h.n_columns;
  if (!is_narrow<T>(width)) {
    add_dots<T>(x, stride, height, width, h.data, h.stride, h.n_rows, out.data, out.stride);
    return;
  }
  const Room<T> across(width * PANEL);
  transpose(x, stride, height, width, across.data(), PANEL);
  add_outers<T>(h.data, h.stride, h.n_rows, across.data(), PANEL, width, padded<T>(height), out.data, out.stride);
}

// out[:, :height] = H x[start : start + height]ᵀ; `turned` is H's.
template <class T>
void cross_of(Tile<T> tile, Rows<const T> H, const Turned<T>& turned, Index start, Index height, Rows<T> out) {
  const T* place = turned.data();
  set_zero(out);
  for (Index p = 0; p < tile.n_parts; ++p) {
    const Part<T>& part = tile[p];
    if (part.is_sparse()) {
      add_sparse_dots(part, place, turned.stride, start, height, out);
      place += part.width * turned.stride;
    } else {
      add_cross<T>(part.row(start), part.stride, height, {H.data + part.first, H.n_rows, part.width, H.stride}, out);
    }
  }
}

// FtX += panel x[start : start + height]; what sparse parts give is added to `turned` instead.
template <class T>
void add_moments(Tile<T> tile, Rows<T> panel, Index start, Index height, Rows<T> FtX, const Turned<T>& turned) {
  T* place = turned.data();
  for (Index p = 0; p < tile.n_parts; ++p) {
    const Part<T>& part = tile[p];
    if (part.is_sparse()) {
      add_sparse_outers(part, panel, start, height, place);
      place += part.width * turned.stride;
    } else {
      add_outers<T>(panel.data, panel.stride, panel.n_rows, part.row(start), part.stride, height, part.width,
                    FtX.data + part.first, FtX.stride);
    }
  }
}

// Rows of F that move, as the moves of both kinds of tiles share them: `cross_of_rows` writes the crosses of a panel's
// rows, `use` gets the panel of where they end, each row times its weight. See `move_tile`.
template <class T, class Cross, class Use>
void move_rows(const Rule& rule, Rows<const T> gram, T l1, T l2, Rows<T> F, Rows<T> other, T beta, T next_beta,
               Span<const double> weights, Rows<T> FtF, double* extras, Cross cross_of_rows, Use use) {
  const Index rows = F.n_rows, k = F.n_columns;
  const Panel<T> panel(k), before(k), cross(k);
  const Mover<T> mover(rule, gram, l1);
  const GramSum<T> products(k);
  const bool wanted = extras[0] == 1;
  extras[0] = extras[1] = 0;
  for (Index start = 0; start < rows; start += PANEL) {
    const Index height = smaller(PANEL, rows - start);
    take_rows(F, start, height, panel.view());
    if (beta > 0) {
      take_rows(other, start, height, before.view());
      extrapolate(panel.view(), before.view(), beta);
    }
    cross_of_rows(start, height, cross.view());
    mover.move(panel.view(), cross.view(), height);
    if (wanted) {
      double energies[PANEL];
      mover.energies(panel.view(), cross.view(), height, energies);
      for (Index lane = 0; lane < height; ++lane) extras[0] += energies[lane];
    }
    if (next_beta > 0) take_rows(F, start, height, before.view());
    put_rows(panel.view(), other, start, height);
    if (next_beta > 0) extrapolate(panel.view(), before.view(), next_beta);
    const Panel<T>& weighted = weights.size ? before : panel;
    if (weights.size) weigh(panel.view(), weights.data + start, height, before.view());
    extras[1] += penalty_of(weighted.view(), panel.view(), height, l1, l2);
    use(start, height, weighted.view());
    products.add(panel.view(), weighted.view(), height);
  }
  products.put(FtF);
}

// Move the rows F (rows, k) of a tile, and sum what the other factor's move needs.
//
// Each row moves from F + `beta` (F − other) by `gram`, which holds l2, and its cross x Rᵀ; where it ends is written to
// `other` (which may be F itself, with both betas 0). FtX (k, n_features) and FtF (k, k) become the sums over a point
// further on by `next_beta`, each row times its weight (none: all 1). `extras` (2,) becomes the rows' energies, if
// extras[0] is 1 at the call, and what l1 and l2 add to J.
template <class T>
void move_tile(const Rule& rule, Tile<T> tile, Rows<const T> R, Rows<const T> gram, T l1, T l2, Rows<T> F,
               Rows<T> other, T beta, T next_beta, Span<const double> weights, Rows<T> FtX, Rows<T> FtF,
               double* extras) {
  const Turned<T> turned(tile, R), moments(tile, F.n_columns);
  set_zero(FtX);
  move_rows(
      rule, gram, l1, l2, F, other, beta, next_beta, weights, FtF, extras,
      [&](Index start, Index height, Rows<T> cross) { cross_of(tile, R, turned, start, height, cross); },
      [&](Index start, Index height, Rows<T> weighted) { add_moments(tile, weighted, start, height, FtX, moments); });
  moments.put_back(FtX);
}

// out = x Rᵀ, shape (rows, k).
template <class T>
void multiply_tile(Tile<T> tile, Rows<const T> R, Rows<T> out) {
  const Panel<T> panel(R.n_rows);
  const Turned<T> turned(tile, R);
  for (Index start = 0; start < out.n_rows; start += PANEL) {
    const Index height = smaller(PANEL, out.n_rows - start);
    cross_of(tile, R, turned, start, height, panel.view());
    put_rows(panel.view(), out, start, height);
  }
}

// out = (x Rᵀ)ᵀ x, shape (k, n_features).
template <class T>
void power_tile(Tile<T> tile, Rows<const T> R, Rows<T> out) {
  const Panel<T> panel(R.n_rows);
  const Turned<T> turned(tile, R), moments(tile, R.n_rows);
  set_zero(out);
  for (Index start = 0; start < tile.n_rows; start += PANEL) {
    const Index height = smaller(PANEL, tile.n_rows - start);
    cross_of(tile, R, turned, start, height, panel.view());
    add_moments(tile, panel.view(), start, height, out, moments);
  }
  moments.put_back(out);
}

}  // namespace coupled_nmf::INSTRUCTIONS
