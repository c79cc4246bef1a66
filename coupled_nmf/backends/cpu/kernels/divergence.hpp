// Kullback–Leibler on a tile: quotients x / (F H) in the place of x.
//
// Of sparse parts only the stored entries are touched: the others enter through sums of H. A missing entry has the
// quotient 1, which is to fill it by F H; a sample that lacks a block drops its terms.
#pragma once
#include "chunks.hpp"
#include "logarithms.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// x / found, 1 where x is missing.
template <class T>
INLINE typename Lanes<T>::Vector quotients_of(typename Lanes<T>::Vector x, typename Lanes<T>::Vector found) {
  const typename Lanes<T>::Vector one = Lanes<T>::splat(1), lowest = Lanes<T>::splat(Numbers<T>::lowest);
  return x == x ? x / (found < lowest ? lowest : found) : one;
}

// x log q − x where x is there and above 0.
template <class T>
INLINE typename Lanes<T>::Vector losses_of(typename Lanes<T>::Vector x, typename Lanes<T>::Vector quotient) {
  const typename Lanes<T>::Vector none = {};
  return ((x > none) & (quotient > none)) ? x * (log_of<T>(quotient) - 1) : none;  // a quotient may underflow
}

// x log q − x of an entry; what to take from the sum of F H if it is missing.
INLINE double entry_loss(double x, double quotient, double found) {
  if (x != x) return -found;
  return x > 0 && quotient > 0 ? x * (std::log(quotient) - 1.0) : 0.0;  // which may underflow
}

// `work` gets n numbers of x and as many of `found`, a vector at a time, and returns what the latter become. What
// stands beyond the end is `beyond` and 1.
template <class T, class Work>
INLINE void for_pairs(const T* x, T* found, Index n, T beyond, Work work) {
  using L = Lanes<T>;
  const Index whole = n / L::COUNT * L::COUNT;
  for (Index i = 0; i < whole; i += L::COUNT) L::store(found + i, work(L::load(x + i), L::load(found + i)));
  if (whole == n) return;
  alignas(LINE) T last_x[L::COUNT], last[L::COUNT];
  for (Index i = 0; i < L::COUNT; ++i) {
    const bool there = whole + i < n;
    last_x[i] = there ? x[whole + i] : beyond;
    last[i] = there ? found[whole + i] : 1;
  }
  L::store(last, work(L::load(last_x), L::load(last)));
  for (Index i = whole; i < n; ++i) found[i] = last[i - whole];
}

// found = x / found, 1 where x is missing.
template <class T>
INLINE void divide(const T* x, T* found, Index n) {
  using V = typename Lanes<T>::Vector;
  for_pairs(x, found, n, T(0), [](V x, V found) __attribute__((always_inline)) { return quotients_of<T>(x, found); });
}

// The same; return Σ x log q − x, and F H with `sign` over the entries that are there (1), or those that are not (−1).
template <class T, int SIGN>
INLINE double divide_and_sum(const T* x, T* found, Index n) {
  using V = typename Lanes<T>::Vector;
  WideSums<T> sums;
  const T beyond = SIGN > 0 ? T(__builtin_nan("")) : T(0);  // which adds nothing
  for_pairs(x, found, n, beyond, [&](V x, V found) __attribute__((always_inline)) {
    const V quotient = quotients_of<T>(x, found), none = {};
    sums.add(losses_of<T>(x, quotient) + (SIGN > 0 ? (x == x ? found : none) : (x == x ? none : -found)));
    return quotient;
  });
  return sums.total();
}

// Σ α_b of the blocks' sums (n_blocks, k), over those that are there.
INLINE void sums_there(Rows<const double> sums, const bool* absent, const double* alpha, double* out) {
  for (Index j = 0; j < sums.n_columns; ++j) out[j] = 0;
  for (Index block = 0; block < sums.n_rows; ++block)
    if (!absent[block])
      for (Index j = 0; j < sums.n_columns; ++j) out[j] += alpha[block] * sums[block][j];
}

// What the quotients of a tile are made of, and room for a chunk of them.
template <class T>
class Quotients {
 public:
  INLINE Quotients(Tile<T> tile, Bounds bounds, const Divisors<T>& by, Rows<const T> R)
      : tile_(tile),
        bounds_(bounds),
        by_(by),
        R_(R),
        turned_(tile, by.H),
        f_(by.H.n_rows),
        chunk_(CHUNK_ROOM),
        row_(longest_row(tile)),
        room_(f_.stride) {}

  INLINE void begin(Span<const Index> some, const bool* absent) { some_ = some, absent_ = absent; }

  // cross = R quotientsᵀ, for F in a panel.
  INLINE void multiply(Rows<T> panel, Rows<T> cross) const {
    set_zero(cross);
    f_.take(panel, some_.size);
    each_chunk([&](const Part<T>& part, Index start, Index n) {
      quotients_of_chunk<false>(part, start, n, {nullptr, 0});
      const T* r = R_.data + part.first + start;
      add_cross<T>(chunk_.data(), CHUNK_STRIDE, some_.size, {r, R_.n_rows, n, R_.stride}, cross);
    });
    each_row([&](const Part<T>& part, Index lane, Index place) {
      const Stored<T> x = quotients_of_row<false>(part, lane, place, nullptr);
      for (Index e = 0, block = 0; e < x.size; ++e) {
        block = bounds_.block_of(part.first + x.columns[e], block);
        row_[e] *= T(by_.alpha[block]);
      }
      add_dots_of(x, turned_.data() + place, turned_.stride, cross, lane);
    });
  }

  // FtQ += weighted quotients, for F in a panel; return 2 Σ w α D.
  INLINE double add_moments(Rows<T> panel, Rows<T> weighted, Span<const double> weights, Rows<T> FtQ,
                            const Turned<T>& moments) const {
    double loss = 0;
    f_.take(panel, some_.size);
    each_chunk([&](const Part<T>& part, Index start, Index n) {
      loss += quotients_of_chunk<true>(part, start, n, weights);
      add_outers<T>(weighted.data, weighted.stride, weighted.n_rows, chunk_.data(), CHUNK_STRIDE, some_.size, n,
                    FtQ.data + part.first + start, FtQ.stride);
    });
    each_row([&](const Part<T>& part, Index lane, Index place) {
      double own = 0;
      const Stored<T> x = quotients_of_row<true>(part, lane, place, &own);
      loss += 2 * weight_of(weights, lane) * own;
      add_outers_of(x, weighted, lane, moments.data() + place, moments.stride, room_.data());
    });
    return loss;
  }

 private:
  template <class Work>
  INLINE void each_chunk(Work work) const {
    for (Index p = 0; p < tile_.n_parts; ++p)
      if (!tile_[p].is_sparse())
        for_chunks(bounds_, tile_[p], absent_, [&](Index start, Index n) { work(tile_[p], start, n); });
  }

  // `work` gets each row of the sparse parts: the part, the row's lane, and where the part is in turned factors.
  template <class Work>
  INLINE void each_row(Work work) const {
    for (Index p = 0, place = 0; p < tile_.n_parts; ++p) {
      if (!tile_[p].is_sparse()) continue;
      for (Index lane = 0; lane < some_.size; ++lane) work(tile_[p], lane, place);
      place += tile_[p].width * turned_.stride;
    }
  }

  // Make the chunk's quotients, 0 in absent blocks; return 2 Σ w α D, if asked for.
  template <bool WITH_LOSS>
  double quotients_of_chunk(const Part<T>& part, Index start, Index n, Span<const double> weights) const {
    double loss = 0;
    multiply_chunk(f_, by_.H, part.first + start, n, some_.size, chunk_.data());
    for (Index lane = 0; lane < some_.size; ++lane)
      for_blocks_of(bounds_, part, start, n, [&](Index block, Index first, Index last) {
        const T* x = part.row(some_[lane]) + first;
        T* found = chunk_.data() + lane * CHUNK_STRIDE + first - start;
        if (absent_[block])
          for (Index i = 0; i < last - first; ++i) found[i] = 0;
        else if (WITH_LOSS)
          loss += 2 * weight_of(weights, lane) * by_.alpha[block] * divide_and_sum<T, 1>(x, found, last - first);
        else
          divide(x, found, last - first);
      });
    return loss;
  }

  // Make a row's quotients, 0 in absent blocks; `loss` becomes Σ α D, if asked for.
  template <bool WITH_LOSS>
  Stored<T> quotients_of_row(const Part<T>& part, Index lane, Index place, double* loss) const {
    const Stored<T> x = stored_row(part, some_[lane]);
    const T *f = f_.row(lane), *Ht = turned_.data() + place;
    for (Index e = 0; e < x.size; e += Lanes<T>::COUNT) {
      const Index last = x.size - 1;
      const auto found = dots_of<T>(
          f_.stride, [&](int) { return f; }, [&](int i) { return Ht + x.columns[smaller(e + i, last)] * f_.stride; });
      if (e + Lanes<T>::COUNT <= x.size) {
        Lanes<T>::store(row_.data() + e, found);
        continue;
      }
      alignas(LINE) T rest[Lanes<T>::COUNT];
      Lanes<T>::store(rest, found);
      for (Index i = e; i < x.size; ++i) row_[i] = rest[i - e];
    }
    for (Index e = 0; e < x.size;) {  // a block's entries lie together
      const Index block = bounds_.block_of(part.first + x.columns[e], 0), first = e;
      if (bounds_[block + 1] >= part.first + part.width)
        e = x.size;
      else
        while (e < x.size && part.first + x.columns[e] < bounds_[block + 1]) ++e;
      if (WITH_LOSS && !absent_[block])
        *loss += by_.alpha[block] * divide_and_sum<T, -1>(x.data + first, row_.data() + first, e - first);
      else
        divide(x.data + first, row_.data() + first, e - first);
      for (Index i = first; absent_[block] && i < e; ++i) row_[i] = 0;
    }
    if (WITH_LOSS)
      for_blocks(bounds_, part, [&](Index block, Index, Index) {
        for (Index j = 0; !absent_[block] && j < f_.k; ++j)
          *loss += by_.alpha[block] * double(f[j]) * by_.sums[block][j];
      });
    return {row_.data(), x.columns, x.size};
  }

  const Tile<T> tile_;
  const Bounds bounds_;
  const Divisors<T>& by_;
  const Rows<const T> R_;
  const Turned<T> turned_;
  const Upright<T> f_;
  const Room<T> chunk_, row_, room_;
  Span<const Index> some_{nullptr, 0};
  const bool* absent_ = nullptr;
};

}  // namespace coupled_nmf::INSTRUCTIONS
