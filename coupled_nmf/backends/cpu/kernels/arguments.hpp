// What kernels are given besides arrays: blocks, gaps, rules, and what belongs to a loss. Inlined, always, as
// `views.hpp` is.
#pragma once
#include "../../kernels/moves.hpp"
#include "views.hpp"

namespace coupled_nmf {

// How a factor moves, see `coupled_nmf.problem.solvers`.
enum class Solver { hals, mu };

struct Rule {
  Solver solver;
  int inner_sweeps;
  Index fixed;
};

// Where the blocks of X begin, and where the last one ends: (n_blocks + 1,).
struct Bounds : Span<const Index> {
  INLINE Index n_blocks() const { return size - 1; }

  // Number of the block that a column lies in; `guess`, that of the entry before, is mostly it.
  INLINE Index block_of(Index column, Index guess) const {
    if (data[guess] <= column && column < data[guess + 1]) return guess;
    return first_above(column) - 1;
  }

  // Numbers of the blocks that a part holds: a look at all blocks for each part would be quadratic in them.
  template <class T>
  INLINE Index first_of(const Part<T>& part) const {
    return first_above(part.first - 1);
  }
  template <class T>
  INLINE Index end_of(const Part<T>& part) const {
    return first_above(part.first + part.width - 1);
  }

 private:
  INLINE Index first_above(Index column) const {
    Index low = 0, high = size;
    while (low < high) {
      const Index middle = low + (high - low) / 2;
      if (data[middle] > column)
        high = middle;
      else
        low = middle + 1;
    }
    return low;
  }
};

// Entries of a part's row, whether or not it is sparse, and the columns of X that they lie in.
template <class T>
struct Entries {
  const T* data;
  const std::int32_t* places;
  Index first, size;

  INLINE Index column(Index e) const { return first + (places ? places[e] : e); }
};

template <class T>
INLINE Entries<T> entries_of(const Part<T>& part, Index row) {
  if (!part.is_sparse()) return {part.row(row), nullptr, part.first, part.width};
  const Stored<T> stored = stored_row(part, row);
  return {stored.data, stored.columns, part.first, stored.size};
}

INLINE double weight_of(Span<const double> weights, Index row) { return weights.size ? weights[row] : 1.0; }

// Which blocks rows lack (rows, n_blocks), and which rows have other gaps (rows,; none: no row).
struct Gaps {
  Rows<const bool> absent;
  Span<const bool> scattered;

  INLINE bool is_scattered(Index row) const { return scattered.size && scattered[row]; }

  INLINE bool alike(Index row, Index other) const {
    if (is_scattered(row) != is_scattered(other)) return false;
    for (Index block = 0; block < absent.n_columns; ++block)
      if (absent[row][block] != absent[other][block]) return false;
    return true;
  }
};

// Where the gaps of a tile's dense parts are: of each chunk of each panel a list of places in it, and where that ends.
struct GapPlaces {
  Span<const std::uint16_t> places;
  Span<const std::int64_t> ends;
};

// What stays from one iteration to the next of an X that is moved in one call, see `move_both`: tiles of so many rows
// of it, ranges of so many columns of H, and the groups of those with what is theirs.
template <class T>
struct Small {
  Tile<T> tile;
  Index rows, columns;
  T l1, l2;  // of F
  Span<const double> weights;
  Bounds edges;
  const T* l1s;
  const double* alpha;
};

// What the quotients need of an H: itself, and the sums of each H_b (n_blocks, k), unweighted.
template <class T>
struct Divisors {
  Rows<const T> H;
  Rows<const double> sums;
  const double* alpha;
};

// What H's move under Kullback–Leibler reads and writes, see `move_components`: the sums of F's move, and what belongs
// to blocks; H and what comes of it.
template <class T>
struct Components {
  Rows<const double> parts, Fsums;
  const moves::BlockPenalty* penalties;
  const double* alpha;
  Rows<const T> H;
  Rows<T> other, point, R;
  Rows<double> sums;
};

// What the sums of each block become (n_blocks,), see `solve_divergence_tile`.
struct BlockSums {
  double *losses, *squares, *logs, *totals;
};

}  // namespace coupled_nmf
