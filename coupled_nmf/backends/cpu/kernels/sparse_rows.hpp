// The products of sparse parts: their cost grows with the stored entries.
//
// A factor is held turned, (width, k), while a tile is worked on: what an entry touches then lies together.
#pragma once
#include "room.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// Columns of the sparse parts together.
template <class T>
Index sparse_width(Tile<T> tile) {
  Index width = 0;
  for (Index p = 0; p < tile.n_parts; ++p) width += tile[p].is_sparse() ? tile[p].width : 0;
  return width;
}

// The columns of H (k, n_features) that sparse parts meet, turned: (sparse width, k), one part below another.
template <class T>
class Turned : public Room<T> {
 public:
  INLINE Turned(Tile<T> tile, Index k) : Room<T>(sparse_width(tile) * k, T(0)), tile_(tile), k(k) {}

  INLINE Turned(Tile<T> tile, Rows<const T> H) : Room<T>(sparse_width(tile) * H.n_rows), tile_(tile), k(H.n_rows) {
    each([&](Index place, Index j, Index column) { (*this)[place] = H[j][column]; });
  }

  // Put what is held into H.
  INLINE void put_back(Rows<T> H) const {
    each([&](Index place, Index j, Index column) { H[j][column] = (*this)[place]; });
  }

 private:
  template <class Work>
  INLINE void each(Work work) const {
    Index place = 0;
    for (Index p = 0; p < tile_.n_parts; ++p)
      if (tile_[p].is_sparse())
        for (Index i = 0; i < tile_[p].width; ++i)
          for (Index j = 0; j < k; ++j) work(place++, j, tile_[p].first + i);
  }

  const Tile<T> tile_;

 public:
  const Index k;
};

// out[:, lane] += x[start + lane] turned: turned (width, k), out (k, lanes).
template <class T>
void add_sparse_dots(const Part<T>& part, const T* turned, Index start, Index height, Rows<T> out) {
  const Index k = out.n_rows;
  const Room<T> sums(k);
  for (Index lane = 0; lane < height; ++lane) {
    const Stored<T> x = stored_row(part, start + lane);
    for (Index j = 0; j < k; ++j) sums[j] = 0;
    for (Index e = 0; e < x.size; ++e) {
      const T value = x.data[e];
      const T* h = turned + x.columns[e] * k;
      for (Index j = 0; j < k; ++j) sums[j] += value * h[j];
    }
    for (Index j = 0; j < k; ++j) out[j][lane] += sums[j];
  }
}

// turned += xᵀ panelᵀ over rows `start` to `start + height` of x: panel (k, lanes), turned (width, k).
template <class T>
void add_sparse_outers(const Part<T>& part, Rows<T> panel, Index start, Index height, T* turned) {
  const Index k = panel.n_rows;
  const Room<T> f(k);
  for (Index lane = 0; lane < height; ++lane) {
    const Stored<T> x = stored_row(part, start + lane);
    for (Index j = 0; j < k; ++j) f[j] = panel[j][lane];
    for (Index e = 0; e < x.size; ++e) {
      const T value = x.data[e];
      T* h = turned + x.columns[e] * k;
      for (Index j = 0; j < k; ++j) h[j] += value * f[j];
    }
  }
}

}  // namespace coupled_nmf::INSTRUCTIONS
