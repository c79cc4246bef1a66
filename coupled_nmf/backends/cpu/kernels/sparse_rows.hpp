// The products of sparse parts: their cost grows with the stored entries.
//
// A factor is held turned, (width, k), while a tile is worked on: what an entry touches then lies together, in whole
// vectors, and the sums of a row stay in registers.
#pragma once
#include "lanes.hpp"
#include "room.hpp"
#include "transpose.hpp"

namespace coupled_nmf::INSTRUCTIONS {

constexpr int MOST_VECTORS = 6;  // of a row of a turned factor that are worked on at once
constexpr Index AHEAD_BY = 12;   // entries, of this row or of the next: what they touch is asked for before its turn

// Columns of the sparse parts together.
template <class T>
Index sparse_width(Tile<T> tile) {
  Index width = 0;
  for (Index p = 0; p < tile.n_parts; ++p) width += tile[p].is_sparse() ? tile[p].width : 0;
  return width;
}

// Rows of `turned` (n, stride) become columns of H, and zeros after them.
template <class T>
void turn(Rows<const T> H, Index first, Index n, T* turned, Index stride) {
  transpose(H.data + first, H.stride, H.n_rows, n, turned, stride);
  for (Index i = 0; i < n; ++i)
    for (Index j = H.n_rows; j < stride; ++j) turned[i * stride + j] = 0;
}

// The columns of H (k, n_features) that sparse parts meet, turned: (sparse width, stride), one part below another.
template <class T>
class Turned : public Room<T> {
 public:
  INLINE Turned(Tile<T> tile, Index k)
      : Room<T>(sparse_width(tile) * padded<T>(k), T(0)), tile_(tile), k(k), stride(padded<T>(k)) {}

  INLINE Turned(Tile<T> tile, Rows<const T> H)
      : Room<T>(sparse_width(tile) * padded<T>(H.n_rows)), tile_(tile), k(H.n_rows), stride(padded<T>(k)) {
    T* place = this->data();
    for (Index p = 0; p < tile.n_parts; ++p) {
      if (!tile[p].is_sparse()) continue;
      turn(H, tile[p].first, tile[p].width, place, stride);
      place += tile[p].width * stride;
    }
  }

  // Put what is held into H.
  INLINE void put_back(Rows<T> H) const {
    const T* place = this->data();
    for (Index p = 0; p < tile_.n_parts; ++p) {
      const Part<T>& part = tile_[p];
      if (!part.is_sparse()) continue;
      transpose(place, stride, part.width, k, H.data + part.first, H.stride);
      place += part.width * stride;
    }
  }

 private:
  const Tile<T> tile_;

 public:
  const Index k, stride;
};

// `work` gets the first of some vectors of a row of a turned factor, of `size` numbers, and their number as a type.
template <class T, class Work>
INLINE void for_vectors(Index size, Work work) {
  for (Index first = 0; first < size; first += MOST_VECTORS * Lanes<T>::COUNT)
    for_count<MOST_VECTORS>(smaller<Index>(MOST_VECTORS, (size - first) / Lanes<T>::COUNT),
                            [&](auto vectors) __attribute__((always_inline)) { work(first, vectors); });
}

template <class T, int V>
INLINE void ask_for(const T* turned) {
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) __builtin_prefetch(turned + v * Lanes<T>::COUNT, 0, 3);
}

// x turned, V vectors of it, for one row of entries: two at a time, since sums wait for each other.
template <class T, int V>
struct RowDots {
  using L = Lanes<T>;

  INLINE RowDots(const Stored<T>& x, const T* turned, Index stride) {
    typename L::Vector odd[V] = {};
    const Index last = x.size + x.n_following - 2;
    Index e = 0;
    for (; e + 1 < x.size; e += 2) {
      const T *h = turned + x.columns[e] * stride, *next = turned + x.columns[e + 1] * stride;
      const Index later = smaller<Index>(e + AHEAD_BY, last);
      ask_for<T, V>(turned + x.columns[later] * stride);
      ask_for<T, V>(turned + x.columns[later + 1] * stride);
      const typename L::Vector value = L::splat(x.data[e]), next_value = L::splat(x.data[e + 1]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        sums[v] += value * L::load(h + v * L::COUNT);
        odd[v] += next_value * L::load(next + v * L::COUNT);
      }
    }
    if (e < x.size) {
      const typename L::Vector value = L::splat(x.data[e]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sums[v] += value * L::load(turned + x.columns[e] * stride + v * L::COUNT);
    }
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sums[v] += odd[v];
  }

  // Add the first n numbers to others, `step` apart.
  template <class Sum>
  INLINE void add_to(Sum* others, Index step, Index n) const {
    alignas(LINE) T numbers[V * L::COUNT];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) L::store(numbers + v * L::COUNT, sums[v]);
    for (Index j = 0; j < n; ++j) others[j * step] += Sum(numbers[j]);
  }

  typename L::Vector sums[V] = {};
};

// turned += xᵀ f: V vectors of a row of entries.
template <class T, int V>
INLINE void add_row_outers(const Stored<T>& x, const T* f, T* turned, Index stride) {
  using L = Lanes<T>;
  typename L::Vector own[V];
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) own[v] = L::load(f + v * L::COUNT);
  const Index last = x.size + x.n_following - 1;
  for (Index e = 0; e < x.size; ++e) {
    T* h = turned + x.columns[e] * stride;
    ask_for<T, V>(turned + x.columns[smaller<Index>(e + AHEAD_BY, last)] * stride);
    const typename L::Vector value = L::splat(x.data[e]);
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) L::store(h + v * L::COUNT, L::load(h + v * L::COUNT) + value * own[v]);
  }
}

// out[:, lane] += x turned, for one row x: turned (width, stride), out (k, lanes).
template <class T>
INLINE void add_dots_of(const Stored<T>& x, const T* turned, Index stride, Rows<T> out, Index lane) {
  for_vectors<T>(padded<T>(out.n_rows), [&](Index first, auto vectors) __attribute__((always_inline)) {
    constexpr int V = decltype(vectors)::value;
    const Index n = smaller<Index>(V * Lanes<T>::COUNT, out.n_rows - first);
    RowDots<T, V>(x, turned + first, stride).add_to(out[first] + lane, out.stride, n);
  });
}

// turned += xᵀ of one row x times a column of a panel.
template <class T>
INLINE void add_outers_of(const Stored<T>& x, Rows<T> panel, Index lane, T* turned, Index stride, T* room) {
  for (Index j = 0; j < stride; ++j) room[j] = j < panel.n_rows ? panel[j][lane] : 0;
  for_vectors<T>(stride, [&](Index first, auto vectors) __attribute__((always_inline)) {
    add_row_outers<T, decltype(vectors)::value>(x, room + first, turned + first, stride);
  });
}

// out[:, lane] += x[start + lane] turned.
template <class T>
void add_sparse_dots(const Part<T>& part, const T* turned, Index stride, Index start, Index height, Rows<T> out) {
  for_vectors<T>(padded<T>(out.n_rows), [&](Index first, auto vectors) __attribute__((always_inline)) {
    constexpr int V = decltype(vectors)::value;
    const Index n = smaller<Index>(V * Lanes<T>::COUNT, out.n_rows - first);
    for (Index lane = 0; lane < height; ++lane)
      RowDots<T, V>(stored_row(part, start + lane), turned + first, stride).add_to(out[first] + lane, out.stride, n);
  });
}

// turned += xᵀ panelᵀ over rows `start` to `start + height` of x: panel (k, lanes).
template <class T>
void add_sparse_outers(const Part<T>& part, Rows<T> panel, Index start, Index height, T* turned) {
  const Index stride = padded<T>(panel.n_rows);
  const Room<T> room(stride);
  for (Index lane = 0; lane < height; ++lane)
    add_outers_of(stored_row(part, start + lane), panel, lane, turned, stride, room.data());
}

}  // namespace coupled_nmf::INSTRUCTIONS
