// Tiles with missing entries.
//
// A sample that lacks a block drops that block's terms; an entry that is missing alone is filled by F H. So rows that
// lack the same blocks are gathered in panels of their own, and copied, chunk by chunk, with their gaps filled: the
// rest is as for a whole tile. Where gaps are is listed once for each tile, and only they are filled, unless they are
// so many that all of F H costs less: then what is filled at once is so little that the first cache about holds it.
#pragma once
#include "fill.hpp"

namespace coupled_nmf::INSTRUCTIONS {

constexpr Index KEPT_BYTES = 1 << 21;  // of a panel that is copied once: more would leave the caches meanwhile
constexpr Index GROUP = 24;            // rows of a chunk that are filled at once, where many entries are missing
constexpr Index FILLED_ROOM = GROUP * CHUNK_STRIDE;
static_assert(PANEL * STRIP_STRIDE <= FILLED_ROOM);

// Whether so many entries of a chunk are missing that all of F H costs less than what is missing of it: 1 in 16 at rank
// 10, 1 in 5 at rank 100. Measured, in float32; near that both ways cost about the same.
INLINE bool are_many(Index gaps, Index entries, Index k) { return gaps * 4 * (k + 30) >= entries * k; }

// `work` gets every chunk of the dense parts over panels of rows with gaps, in the order of their lists: the part, the
// rows, where the chunk begins, its length.
template <class T, class Work>
INLINE void for_gappy_chunks(Tile<T> tile, Bounds bounds, Span<const Index> order, const Gaps& gaps, Work work) {
  for_panels(order, gaps, [&](Span<const Index> some) {
    if (!gaps.is_scattered(some[0])) return;
    for (Index p = 0; p < tile.n_parts; ++p)
      if (!tile[p].is_sparse())
        for_chunks(bounds, tile[p], gaps.absent[some[0]], [&](Index start, Index n) { work(tile[p], some, start, n); });
  });
}

// List the gaps of a tile's dense parts: where each chunk's list `ends`, and the `places` of gaps in the chunk, as far
// as there is room for them. Return how many lists there are.
template <class T>
Index list_gaps(Tile<T> tile, Bounds bounds, Span<const Index> order, const Gaps& gaps, Span<std::int64_t> ends,
                Span<std::uint16_t> places) {
  Index n_lists = 0, found = 0;
  for_gappy_chunks(tile, bounds, order, gaps, [&](const Part<T>& part, Span<const Index> some, Index start, Index n) {
    if (n_lists++ >= ends.size) return;
    for_blocks_of(bounds, part, start, n, [&](Index block, Index first, Index last) {
      if (gaps.absent[some[0]][block]) return;
      for (Index i = first; i < last; ++i)  // column by column: what is written side by side then shares cache lines
        for (Index lane = 0; lane < some.size; ++lane) {
          const T x = part.row(some[lane])[i];
          if (x == x) continue;
          if (found < places.size) places[found] = std::uint16_t(lane * CHUNK + i - start);
          ++found;
        }
    });
    ends[n_lists - 1] = found;
  });
  return n_lists;
}

// Lists of gaps, taken one after the other.
class GapLists {
 public:
  INLINE explicit GapLists(const GapPlaces& all) : all_(all), next_(0) {}

  INLINE Span<const std::uint16_t> take() {
    if (next_ >= all_.ends.size) return {nullptr, 0};
    const Index begin = next_ ? all_.ends[next_ - 1] : 0;
    return {all_.places.data + begin, all_.ends[next_++] - begin};
  }
  INLINE Index tell() const { return next_; }
  INLINE void go_to(Index list) { next_ = list; }

 private:
  const GapPlaces all_;
  Index next_;
};

// A row of a sparse part, in `room`; what is missing becomes `filling(column)`.
template <class T, class Filling>
INLINE Stored<T> filled_row(const Part<T>& part, Index row, T* room, Filling filling) {
  const Stored<T> x = stored_row(part, row);
  for (Index e = 0; e < x.size; ++e) room[e] = x.data[e] == x.data[e] ? x.data[e] : filling(part.first + x.columns[e]);
  return {room, x.columns, x.size, x.n_following};
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

// What a tile with gaps is multiplied by, and room for that.
template <class T>
class GappyTile {
 public:
  INLINE GappyTile(Tile<T> tile, Bounds bounds, Rows<const T> R, Rows<const T> H, const double* alpha,
                   const GapPlaces& gaps)
      : tile_(tile),
        bounds_(bounds),
        R_(R),
        H_(H),
        turned_(tile, R),
        f_(R.n_rows),
        Ht_(gaps.places.size ? H.n_columns * f_.stride : 0),
        alpha_(H.n_columns),
        is_kept_(chunks_of_dense(tile) * CHUNK_ROOM * Index(sizeof(T)) <= KEPT_BYTES),
        chunks_(CHUNK_ROOM * (is_kept_ ? larger<Index>(chunks_of_dense(tile), 1) : 1)),
        filled_(FILLED_ROOM),
        row_(longest_row(tile)),
        room_(f_.stride),
        lists_(gaps) {
    if (gaps.places.size) turn(H, 0, H.n_columns, Ht_.data(), f_.stride);
    for (Index block = 0; block < bounds.n_blocks(); ++block)
      for (Index i = bounds[block]; i < bounds[block + 1]; ++i) alpha_[i] = alpha[block];
  }

  // Begin with some rows, whose gaps are filled if they are `scattered`.
  INLINE void begin(Span<const Index> some, const bool* absent, bool scattered) {
    some_ = some, absent_ = absent, scattered_ = scattered, first_list_ = lists_.tell();
  }

  // cross = R xᵀ, gaps filled by the panel.
  INLINE void multiply(Rows<T> panel, Rows<T> cross) {
    set_zero(cross);
    visit<true>(
        panel, {nullptr, 0},
        [&](const Part<T>& part, const T* chunk, Index start, Index n) {
          add_cross<T>(chunk, CHUNK_STRIDE, some_.size, factor(part, start, n), cross);
        },
        [&](const Part<T>& part, Index start, Index n) {
          multiply_blended(part, start, n, cross);
          return 0.0;
        },
        [&](const Stored<T>& x, Index lane, Index place) {
          add_dots_of(x, turned_.data() + place, turned_.stride, cross, lane);
        });
  }

  // FtX += weighted x, gaps filled by the panel; return Σ w α x² over them.
  INLINE double add_moments(Rows<T> panel, Rows<T> weighted, Span<const double> weights, Rows<T> FtX,
                            const Turned<T>& moments) {
    const auto add = [&](const T* x, Index stride, Index first, Index n) {
      add_outers<T>(weighted.data, weighted.stride, weighted.n_rows, x, stride, some_.size, n, FtX.data + first,
                    FtX.stride);
    };
    return visit<false>(
        panel, weights,
        [&](const Part<T>& part, const T* chunk, Index start, Index n) {
          add(chunk, CHUNK_STRIDE, part.first + start, n);
        },
        [&](const Part<T>& part, Index start, Index n) {
          double total = 0;
          for_strips<T>(n, [&](Index i, Index width) {
            total += blended<true>(part, {0, some_.size, start + i, width, filled_.data(), STRIP_STRIDE}, weights);
            add(filled_.data(), STRIP_STRIDE, part.first + start + i, width);
          });
          return total;
        },
        [&](const Stored<T>& x, Index lane, Index place) {
          add_outers_of(x, weighted, lane, moments.data() + place, moments.stride, room_.data());
        });
  }

 private:
  static INLINE Index chunks_of_dense(Tile<T> tile) {
    Index chunks = 0;
    for (Index p = 0; p < tile.n_parts; ++p) chunks += tile[p].is_sparse() ? 0 : chunks_of(tile[p].width);
    return chunks;
  }

  // R for a chunk.
  INLINE Rows<const T> factor(const Part<T>& part, Index start, Index n) const {
    return {R_.data + part.first + start, R_.n_rows, n, R_.stride};
  }

  INLINE Counts counts_of(const Part<T>& part, Index start, Span<const double> weights) const {
    return {alpha_.data() + part.first + start, bounds_.n_blocks() == 1, weights};
  }

  // A strip, copied with its gaps filled out of F H; return Σ w α x² over them, if asked for.
  template <bool WITH_SQUARES>
  INLINE double blended(const Part<T>& part, const Strip<T>& strip, Span<const double> weights) {
    const Counts counts = counts_of(part, strip.start, weights);
    return blend_strip<T, WITH_SQUARES>(part, some_, absent_, bounds_, f_, H_, counts, strip);
  }

  // cross += R xᵀ of a chunk, some rows at a time; of a narrow one all rows, whose vectors `add_cross` writes whole.
  INLINE void multiply_blended(const Part<T>& part, Index start, Index n, Rows<T> cross) {
    constexpr Index narrow = NARROW * Lanes<T>::COUNT;
    static_assert(PANEL * narrow <= FILLED_ROOM);
    const bool by_panel = is_narrow<T>(n);
    const Index step = by_panel ? PANEL : GROUP, stride = by_panel ? narrow : CHUNK_STRIDE;
    const Rows<const T> r = factor(part, start, n);
    for (Index begin = 0; begin < some_.size; begin += step) {
      const Index end = smaller(begin + step, some_.size);
      for_strips<T>(n, [&](Index i, Index width) {
        T* out = filled_.data() + i - begin * stride;
        blended<false>(part, {begin, end, start + i, width, out, stride}, {nullptr, 0});
      });
      if (by_panel)
        add_cross<T>(filled_.data(), stride, end, r, cross);
      else
        add_dots<T, false>(filled_.data(), stride, end - begin, n, r.data, r.stride, r.n_rows, cross.data + begin,
                           cross.stride);
    }
  }

  // `dense` gets each chunk, filled; one of which many entries are missing `many` gets instead, fills it itself, and
  // returns Σ w α x². `sparse` gets each row of a sparse part, its lane, and where the part is in turned factors.
  template <bool IS_FIRST, class Dense, class Many, class Sparse>
  INLINE double visit(Rows<T> panel, Span<const double> weights, Dense dense, Many many, Sparse sparse) {
    double total = 0;
    T* chunk = chunks_.data();
    lists_.go_to(first_list_);
    f_.take(panel, some_.size);
    for (Index p = 0, place = 0; p < tile_.n_parts; ++p) {
      const Part<T>& part = tile_[p];
      if (part.is_sparse()) {
        for (Index lane = 0; lane < some_.size; ++lane) {
          const Stored<T> x = filled_row(part, some_[lane], row_.data(), [&](Index column) {
            const double found = absent_[bounds_.block_of(column, 0)] ? 0 : product(f_.row(lane), H_, column);
            total += weight_of(weights, lane) * alpha_[column] * found * found;
            return T(found);
          });
          sparse(x, lane, place);
        }
        place += part.width * f_.stride;
        continue;
      }
      for_chunks(bounds_, part, absent_, [&](Index start, Index n) {
        const Span<const std::uint16_t> places = scattered_ ? lists_.take() : Span<const std::uint16_t>{nullptr, 0};
        if (n >= Lanes<T>::COUNT && places.size && are_many(places.size, n * some_.size, f_.k)) {
          total += many(part, start, n);
        } else {
          if (IS_FIRST || !is_kept_) copy_chunk(part, some_, start, n, absent_, bounds_, chunk);
          const T* Ht = Ht_.data() + (part.first + start) * f_.stride;
          total += fill_gaps<T, !IS_FIRST>(places, f_, Ht, counts_of(part, start, weights), chunk);
          dense(part, chunk, start, n);
        }
        chunk += is_kept_ ? CHUNK_ROOM : 0;
      });
    }
    return total;
  }

  const Tile<T> tile_;
  const Bounds bounds_;
  const Rows<const T> R_, H_;
  const Turned<T> turned_;
  const Upright<T> f_;
  const Room<T> Ht_;
  const Room<double> alpha_;
  const bool is_kept_;  // a panel's chunks, from one product to the other
  const Room<T> chunks_, filled_, row_, room_;
  GapLists lists_;
  Span<const Index> some_{nullptr, 0};
  const bool* absent_ = nullptr;
  bool scattered_ = false;
  Index first_list_ = 0;
};

}  // namespace coupled_nmf::INSTRUCTIONS
