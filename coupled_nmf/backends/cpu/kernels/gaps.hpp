// Tiles with missing entries.
//
// A sample that lacks a block drops that block's terms; an entry that is missing alone is filled by F H. So rows that lack
// the same blocks are gathered in panels of their own, and copied, with their gaps filled, into a small tile: the rest is
// as for a whole one. What gaps are filled by is made for all entries of a panel, which costs less than to look for gaps.
#pragma once
#include "look.hpp"
#include "move_tile.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// `work` gets panels of rows that lack the same blocks, at most PANEL: `order` puts such rows together.
template <class Work>
INLINE void for_panels(Span<const Index> order, const Gaps& gaps, Work work) {
  for (Index start = 0; start < order.size;) {
    Index stop = start + 1;
    while (stop < order.size && stop < start + PANEL && gaps.alike(order[start], order[stop])) ++stop;
    work(Span<const Index>{order.data + start, stop - start});
    start = stop;
  }
}

// A small tile with the shape of some rows, its entries not set.
template <class T>
class Small {
 public:
  INLINE Small(Tile<T> tile, Span<const Index> some)
      : parts_(tile.n_parts), dense_(some.size * dense_width(tile)), data_(n_stored(tile, some)), indices_(data_.size()),
        indptr_(tile.n_parts * (some.size + 1)), n_rows_(some.size) {
    const Index width = dense_width(tile);
    Index at = 0, column = 0;
    for (Index p = 0; p < tile.n_parts; ++p) {
      const Part<T>& part = tile[p];
      parts_[p] = part;
      if (!part.is_sparse()) {
        parts_[p].data = dense_.data() + column;
        parts_[p].stride = width;
        column += part.width;
        continue;
      }
      std::int64_t* indptr = indptr_.data() + p * (some.size + 1);
      parts_[p].data = data_.data(), parts_[p].indices = indices_.data(), parts_[p].indptr = indptr;
      indptr[0] = at;
      for (Index lane = 0; lane < some.size; ++lane) {
        const Stored<T> stored = stored_row(part, some[lane]);
        for (Index e = 0; e < stored.size; ++e) indices_[at++] = stored.columns[e];
        indptr[lane + 1] = at;
      }
    }
  }

  INLINE Tile<T> tile() const { return {parts_.data(), parts_.size(), n_rows_}; }

  // A row of a part, to be written: its numbers, or those of its stored entries.
  INLINE T* row(Index p, Index lane) const {
    const Part<T>& part = parts_[p];
    if (part.is_sparse()) return data_.data() + part.indptr[lane];
    return const_cast<T*>(part.row(lane));  // which lies in dense_
  }

 private:
  static INLINE Index dense_width(Tile<T> tile) {
    Index width = 0;
    for (Index p = 0; p < tile.n_parts; ++p) width += tile[p].is_sparse() ? 0 : tile[p].width;
    return width;
  }

  static INLINE Index n_stored(Tile<T> tile, Span<const Index> some) {
    Index n = 0;
    for (Index p = 0; p < tile.n_parts; ++p)
      if (tile[p].is_sparse())
        for (const Index row : some) n += stored_row(tile[p], row).size;
    return n;
  }

  Room<Part<T>> parts_;
  Room<T> dense_, data_;
  Room<std::int32_t> indices_;
  Room<std::int64_t> indptr_;
  Index n_rows_;
};

// The first lanes of a panel as rows: (lanes, k), contiguous.
template <class T>
class Upright : public Room<T> {
 public:
  INLINE Upright(Rows<T> panel, Index height) : Room<T>(panel.n_rows * height), k(panel.n_rows) {
    for (Index lane = 0; lane < height; ++lane)
      for (Index j = 0; j < k; ++j) (*this)[lane * k + j] = panel[j][lane];
  }
  INLINE const T* row(Index lane) const { return this->data() + lane * k; }
  const Index k;
};

// out[lane] = f H over the columns of a part, for all lanes of a small tile.
template <class T>
void fill_with_products(const Small<T>& small, Index p, const Upright<T>& f, Rows<const T> H) {
  const Part<T>& part = small.tile()[p];
  for (Index lane = 0; lane < small.tile().n_rows; ++lane)
    for (Index i = 0; i < part.width; ++i) small.row(p, lane)[i] = 0;
  add_outers<T>(f.data(), f.k, small.tile().n_rows, H.data + part.first, H.stride, f.k, part.width, small.row(p, 0), part.stride);
}

// `found` stays where x is missing, elsewhere it becomes x; return the sum of the squares of what stays.
template <class T>
INLINE double blend(const T* x, T* found, Index n) {
  double total = 0;
  for (Index i = 0; i < n; ++i) {
    const bool missing = x[i] != x[i];
    const double value = missing ? double(found[i]) : 0.0;
    total += value * value;
    found[i] = missing ? found[i] : x[i];
  }
  return total;
}

// Where X is filled: what the squares of each block count (α), and those of each row (none: all 1).
struct Counts {
  const double* alpha;
  Span<const double> weights;
};

template <class T>
double gather_stored(const Part<T>& part, const Small<T>& small, Index p, Span<const Index> some, const bool* absent,
                     Bounds bounds, const Upright<T>& f, Rows<const T> H, const Counts& counts) {
  double total = 0;
  for (Index lane = 0, block = 0; lane < some.size; ++lane) {
    const Entries<T> x = entries_of(part, some[lane]);
    T* row = small.row(p, lane);
    for (Index e = 0; e < x.size; ++e) {
      row[e] = x.data[e];
      if (row[e] == row[e]) continue;
      block = bounds.block_of(x.column(e), block);
      const double found = absent[block] ? 0 : product(f.row(lane), H, x.column(e));
      row[e] = T(found);
      total += weight_of(counts.weights, some[lane]) * counts.alpha[block] * found * found;
    }
  }
  return total;
}

// Copy some rows, which lack the `absent` blocks, into a small tile: absent blocks become zero; if the rows are
// `scattered` with gaps, these become F H, for F in a panel. Return Σ w α x² over them.
template <class T>
double gather(Tile<T> tile, const Small<T>& small, Span<const Index> some, const bool* absent, bool scattered,
              Bounds bounds, Rows<T> panel, Rows<const T> H, const Counts& counts) {
  double total = 0;
  const Upright<T> f(panel, some.size);
  for (Index p = 0; p < tile.n_parts; ++p) {
    const Part<T>& part = tile[p];
    if (part.is_sparse()) {
      total += gather_stored(part, small, p, some, absent, bounds, f, H, counts);
      continue;
    }
    if (scattered) fill_with_products(small, p, f, H);
    for (Index lane = 0; lane < some.size; ++lane) {
      const T* x = part.row(some[lane]);
      T* row = small.row(p, lane);
      const double weight = weight_of(counts.weights, some[lane]);
      for_blocks(bounds, part, [&](Index block, Index start, Index stop) {
        if (absent[block])
          for (Index i = start; i < stop; ++i) row[i] = 0;
        else if (!scattered)
          for (Index i = start; i < stop; ++i) row[i] = x[i];
        else
          total += weight * counts.alpha[block] * blend(x + start, row + start, stop - start);
      });
    }
  }
  return total;
}

// Gram of rows that lack the `absent` blocks: the sum over the others, and the L2 penalty.
template <class T>
void gram_of(Stack<const T> grams, const bool* absent, T l2, Rows<T> gram) {
  set_zero(gram);
  for (Index block = 0; block < grams.n; ++block)
    if (!absent[block])
      for (Index i = 0; i < gram.n_rows; ++i)
        for (Index j = 0; j < gram.n_columns; ++j) gram[i][j] += grams[block][i][j];
  for (Index j = 0; j < gram.n_rows; ++j) gram[j][j] += l2;
}

// The weights of listed rows, side by side; none, if all are 1.
INLINE Span<const double> listed_weights(Span<const double> weights, Span<const Index> some, double* room) {
  if (weights.size == 0) return weights;
  for (Index lane = 0; lane < some.size; ++lane) room[lane] = weights[some[lane]];
  return {room, some.size};
}

// As `move_tile`, for rows with gaps, in an `order` that puts those together that lack the same blocks.
//
// `grams` and FtFs (n_blocks, k, k) are those of each block. Gaps are filled by F H for the move, and once more after it,
// for the sums. `extras` (2,) becomes Σ w α x² over the gaps so filled, and what l1 and l2 add to J.
template <class T>
void move_gappy_tile(const Rule& rule, Tile<T> tile, Bounds bounds, Span<const Index> order, const Gaps& gaps,
                     Rows<const T> R, Rows<const T> H, const double* alpha, Stack<const T> grams, T l1, T l2, Rows<T> F,
                     Rows<T> other, T beta, T next_beta, Span<const double> weights, Rows<T> FtX, Stack<T> FtFs,
                     double* extras) {
  const Index k = F.n_columns;
  const Panel<T> panel(k), before(k), cross(k);
  const Room<T> own(k * k), gram(k * k);
  const Turned<T> turned(tile, R), moments(tile, k);
  set_zero(FtX);
  for (Index i = 0; i < FtFs.n * k * k; ++i) FtFs.data[i] = 0;
  extras[0] = extras[1] = 0;
  for_panels(order, gaps, [&](Span<const Index> some) {
    const bool* lacks = gaps.absent[some[0]];
    const bool gappy = gaps.is_scattered(some[0]);
    take_listed(F, some, panel.view());
    if (beta > 0) {
      take_listed(other, some, before.view());
      extrapolate(panel.view(), before.view(), beta);
    }
    const Small<T> small(tile, some);
    gather(tile, small, some, lacks, gappy, bounds, panel.view(), H, {alpha, weights});
    cross_of(small.tile(), R, turned, 0, some.size, cross.view());
    gram_of(grams, lacks, l2, gram.rows(k));
    Mover<T>(rule, {gram.data(), k, k, k}, l1).move(panel.view(), cross.view());
    if (next_beta > 0) take_listed(F, some, before.view());
    put_listed(panel.view(), other, some);
    if (next_beta > 0) extrapolate(panel.view(), before.view(), next_beta);
    if (gappy) extras[0] += gather(tile, small, some, lacks, gappy, bounds, panel.view(), H, {alpha, weights});
    const Panel<T>& weighted = weights.size ? before : panel;
    double room[PANEL];
    if (weights.size) weigh(panel.view(), listed_weights(weights, some, room).data, some.size, before.view());
    extras[1] += penalty_of(weighted.view(), panel.view(), some.size, l1, l2);
    add_moments(small.tile(), weighted.view(), 0, some.size, FtX, moments);
    set_zero(own.rows(k));
    add_gram(weighted.view(), panel.view(), some.size, own.rows(k));
    for (Index block = 0; block < FtFs.n; ++block)
      if (!lacks[block])
        for (Index i = 0; i < k * k; ++i) FtFs.data[block * k * k + i] += own[i];
  });
  moments.put_back(FtX);
}

}  // namespace coupled_nmf::INSTRUCTIONS
