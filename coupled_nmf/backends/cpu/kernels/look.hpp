// Looks at a tile: sums over its entries, and over those of its residual.
#pragma once
#include <cmath>

#include "panels.hpp"
#include "sparse_rows.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// `work` gets each block of a part, and the columns in the part that it begins and ends at.
template <class T, class Work>
INLINE void for_blocks(const Bounds& bounds, const Part<T>& part, Work work) {
  for (Index block = bounds.first_of(part), end = bounds.end_of(part); block < end; ++block)
    work(block, bounds[block] - part.first, bounds[block + 1] - part.first);
}

// What a look at entries finds.
struct Found {
  double squares, total;
  Index negative;
};

template <class T>
INLINE Found look_at(const T* some, Index n) {
  double squares = 0, total = 0;
  Index negative = 0;
  for (Index i = 0; i < n; ++i) {
    const double value = double(some[i]);
    squares += value * value;
    total += value;
    negative += some[i] < 0;
  }
  return {squares, total, negative};
}

// Add each row's weight times its squares, and its sum, a block, to `squares` and `totals` (n_blocks,); return how many
// entries are negative. No `weights`: all 1.
template <class T>
Index scan_tile(Tile<T> tile, Bounds bounds, Span<const double> weights, double* squares, double* totals) {
  Index negative = 0;
  for (Index row = 0; row < tile.n_rows; ++row) {
    const double weight = weight_of(weights, row);
    for (Index p = 0; p < tile.n_parts; ++p) {
      const Part<T>& part = tile[p];
      if (!part.is_sparse()) {
        for_blocks(bounds, part, [&](Index block, Index start, Index stop) {
          const Found found = look_at(part.row(row) + start, stop - start);
          squares[block] += weight * found.squares;
          totals[block] += weight * found.total;
          negative += found.negative;
        });
        continue;
      }
      const Entries<T> x = entries_of(part, row);
      for (Index e = 0, block = 0; e < x.size; ++e) {
        const double value = double(x.data[e]);
        block = bounds.block_of(x.column(e), block);
        squares[block] += weight * value * value;
        totals[block] += weight * value;
        negative += value < 0;
      }
    }
  }
  return negative;
}

// As `scan_tile`, over observed entries; say which rows lack which blocks, and which have other gaps.
//
// `absent` (rows, n_blocks) and `scattered` (rows,) are marked; at the call, the first holds the blocks that a row is
// known to lack, each a part of its own, which is not read. To `missing` (n_features,) the gaps of each column are
// added, but for those of samples of weight 0, to `observed` (n_blocks,) the weights of the entries there are.
template <class T>
Index find_gaps(Tile<T> tile, Bounds bounds, Span<const double> weights, Rows<bool> absent, bool* scattered,
                double* missing, double* squares, double* totals, double* observed) {
  Index negative = 0;
  const Room<Index> gaps(bounds.n_blocks());
  for (Index row = 0; row < tile.n_rows; ++row) {
    const double weight = weight_of(weights, row), counts = weight > 0;
    for (Index& some : gaps.span()) some = 0;
    for (Index p = 0; p < tile.n_parts; ++p) {
      const Part<T>& part = tile[p];
      if (absent[row][bounds.block_of(part.first, 0)]) continue;
      const Entries<T> x = entries_of(part, row);
      for (Index e = 0, block = 0; e < x.size; ++e) {
        const double value = double(x.data[e]);
        block = bounds.block_of(x.column(e), block);
        if (value != value) {
          ++gaps[block];
          missing[x.column(e)] += counts;
        } else {
          squares[block] += weight * value * value;
          totals[block] += weight * value;
          negative += value < 0;
        }
      }
    }
    for (Index block = 0; block < bounds.n_blocks(); ++block) {
      const Index size = bounds[block + 1] - bounds[block];
      bool& lacks = absent[row][block];
      if (lacks) {
        gaps[block] = size;
        for (Index column = bounds[block]; column < bounds[block + 1]; ++column) missing[column] += counts;
      }
      lacks = gaps[block] == size;
      scattered[row] |= 0 < gaps[block] && gaps[block] < size;
      observed[block] += weight * double(size - gaps[block]);  // what is there, or "nothing" would be rounded
    }
  }
  return negative;
}

// An entry of F H, in double.
template <class T>
INLINE double product(const T* f, Rows<const T> H, Index column) {
  double found = 0;
  for (Index j = 0; j < H.n_rows; ++j) found += double(f[j]) * double(H[j][column]);
  return found;
}

// f·gram·f, in double.
template <class T>
INLINE double quadratic(const T* f, Rows<const double> gram) {
  double total = 0;
  for (Index i = 0; i < gram.n_rows; ++i) {
    double some = 0;
    for (Index j = 0; j < gram.n_rows; ++j) some += gram[i][j] * double(f[j]);
    total += some * double(f[i]);
  }
  return total;
}

// Of what a sparse row leaves, x − F H: the squares of F H come from `grams`, the stored entries mend them. `turned`
// (width, stride) are the columns of H that the part meets, `room` is as long as a row of it.
template <class T>
void add_sparse_residual(const Part<T>& part, Rows<const T> F, const T* turned, Index stride, Stack<const double> grams,
                         Bounds bounds, Span<const double> weights, double* room, double* squares) {
  for (Index row = 0; row < F.n_rows; ++row) {
    const double weight = weight_of(weights, row);
    const Stored<T> x = stored_row(part, row);
    Index e = 0;
    for_blocks(bounds, part, [&](Index block, Index, Index end) {
      double own = 0, crosses = 0;
      for (Index j = 0; j < stride; ++j) room[j] = 0;
      for (; e < x.size && x.columns[e] < end; ++e) {  // columns rise, since X's rows were sorted when they were copied
        const double value = double(x.data[e]);
        const T* h = turned + x.columns[e] * stride;
        own += value * value;
        for (Index j = 0; j < stride; ++j) room[j] += value * double(h[j]);
      }
      for (Index j = 0; j < F.n_columns; ++j) crosses += room[j] * double(F[row][j]);
      squares[block] += weight * (own - 2 * crosses + quadratic(F[row], grams[block]));
    });
  }
}

// Add each row's weight times the squares of x − F H, a block, to `squares`: made and forgotten by panels.
// `grams` (n_blocks, k, k) are H_b H_bᵀ in double.
template <class T>
void residual_tile(Tile<T> tile, Rows<const T> F, Rows<const T> H, Stack<const double> grams, Bounds bounds,
                   Span<const double> weights, double* squares) {
  const Index k = F.n_columns;
  const Room<T> minus(PANEL * k);
  const Turned<T> turned(tile, H);
  const Room<double> room(turned.stride);
  const T* place = turned.data();
  for (Index p = 0; p < tile.n_parts; ++p) {
    const Part<T>& part = tile[p];
    if (part.is_sparse()) {
      add_sparse_residual(part, F, place, turned.stride, grams, bounds, weights, room.data(), squares);
      place += part.width * turned.stride;
      continue;
    }
    const Room<T> residual(PANEL * part.width);
    for (Index start = 0; start < F.n_rows; start += PANEL) {
      const Index height = smaller(PANEL, F.n_rows - start);
      for (Index lane = 0; lane < height; ++lane) {
        const T* x = part.row(start + lane);
        for (Index i = 0; i < part.width; ++i) residual[lane * part.width + i] = x[i];
        for (Index j = 0; j < k; ++j) minus[lane * k + j] = -F[start + lane][j];
      }
      add_outers<T>(minus.data(), k, height, H.data + part.first, H.stride, k, part.width, residual.data(), part.width);
      for (Index lane = 0; lane < height; ++lane)
        for_blocks(bounds, part, [&](Index block, Index first, Index last) {
          const Found found = look_at(&residual[lane * part.width + first], last - first);
          squares[block] += weight_of(weights, start + lane) * found.squares;
        });
    }
  }
}

}  // namespace coupled_nmf::INSTRUCTIONS
