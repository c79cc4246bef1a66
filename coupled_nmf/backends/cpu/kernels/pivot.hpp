// One row of non-negative least squares in double, by active sets: for rows that share no gram, and where nothing else
// ends, since components are alike.
#pragma once
#include <cmath>

#include "panels.hpp"

namespace coupled_nmf::INSTRUCTIONS {

// Solve A x = b, both overwritten, by elimination with the largest pivot of each column; x is left in b.
INLINE void eliminate(Rows<double> A, double* b) {
  const Index n = A.n_rows;
  for (Index c = 0; c < n; ++c) {
    Index best = c;
    for (Index i = c + 1; i < n; ++i)
      if (std::fabs(A[i][c]) > std::fabs(A[best][c])) best = i;
    if (best != c) {
      for (Index j = c; j < n; ++j) {
        const double kept = A[c][j];
        A[c][j] = A[best][j], A[best][j] = kept;
      }
      const double kept = b[c];
      b[c] = b[best], b[best] = kept;
    }
    for (Index i = c + 1; i < n; ++i) {
      const double part = A[i][c] / A[c][c];
      for (Index j = c + 1; j < n; ++j) A[i][j] -= part * A[c][j];
      b[i] -= part * b[c];
    }
  }
  for (Index i = n - 1; i >= 0; --i) {
    for (Index j = i + 1; j < n; ++j) b[i] -= A[i][j] * b[j];
    b[i] /= A[i][i];
  }
}

constexpr Index ELIMINATED = 8;  // rows, before what they leave is taken from all others in one product

// Solve A x = b for a symmetric A, of which the upper half is read, by elimination without exchanges, along rows, which
// are whole vectors and overwritten; x is left in b. `parts` is room, (n, ELIMINATED). Return whether A was positive
// definite: if not, A and b are spoilt.
INLINE bool solve_definite(Rows<double> A, double* b, double* parts) {
  using L = Lanes<double>;
  const Index n = A.n_rows;
  for (Index start = 0; start < n; start += ELIMINATED) {
    const Index end = smaller(start + ELIMINATED, n);
    for (Index c = start; c < end; ++c) {
      const double* pivot = A[c];
      if (!(pivot[c] > 0)) return false;
      const double over = -1 / pivot[c];
      for (Index i = c + 1; i < n; ++i) {
        const double part = parts[i * ELIMINATED + c - start] = pivot[i] * over;
        b[i] += part * b[c];
      }
      for (Index i = c + 1; i < end; ++i)
        for (Index j = i / L::COUNT * L::COUNT; j < n; j += L::COUNT)
          L::store(A[i] + j, L::load(A[i] + j) + L::splat(parts[i * ELIMINATED + c - start]) * L::load(pivot + j));
    }
    for (Index i = end; i < n; i += OUTER_ROWS) {
      const Index first = i / L::COUNT * L::COUNT, rows = smaller<Index>(OUTER_ROWS, n - i);
      add_outers<double>(parts + i * ELIMINATED, ELIMINATED, rows, A[start] + first, A.stride, end - start,
                         padded<double>(n) - first, A[i] + first, A.stride);
    }
  }
  for (Index i = n - 1; i >= 0; --i) {
    double left = b[i];
    for (Index j = i + 1; j < n; ++j) left -= A[i][j] * b[j];
    b[i] = left / A[i][i];
  }
  return true;
}

// Room for `pivot` of at most k entries, made once for many rows.
struct Pivots {
  INLINE explicit Pivots(Index k)
      : some(k * padded<double>(k), 0.0), parts(k * ELIMINATED), found(k), gradient(k), inside(k), wrong(k) {}

  // Return the gram, its upper half, of the first n entries that are listed in `inside`; `found` becomes their cross.
  INLINE Rows<double> take(Index n, Rows<const double> gram, const double* cross, double ridge) {
    const Rows<double> own{some.data(), n, n, padded<double>(n)};
    for (Index i = 0; i < n; ++i) {
      for (Index j = i; j < n; ++j) own[i][j] = gram[inside[i]][inside[j]];
      own[i][i] += ridge;
      found[i] = cross[inside[i]];
    }
    return own;
  }

  Room<double> some, parts, found, gradient;
  Room<Index> inside;
  Room<bool> wrong;
};

// Solve min ½ v·gram·v − cross·v, v >= 0, by block principal pivoting (Kim and Park 2011) from a passive set near the
// end. Return whether it got there. `ridge` keeps components that are alike apart; what is below `tol` of the largest
// is not infeasible.
INLINE bool pivot(Pivots& room, double* v, bool* passive, Rows<const double> gram, const double* cross, double ridge,
                  double tol) {
  const Index k = gram.n_rows;
  Index fewest = k + 1;
  int tries = 3;
  double most_cross = 0;
  for (Index j = 0; j < k; ++j) most_cross = larger(most_cross, std::fabs(cross[j]));
  for (Index step = 0; step < 3 * k + 30; ++step) {
    Index n = 0;
    for (Index j = 0; j < k; ++j) {
      v[j] = 0;
      if (passive[j]) room.inside[n++] = j;
    }
    const Rows<double> own = room.take(n, gram, cross, ridge);
    if (!solve_definite(own, room.found.data(), room.parts.data())) {  // by rounding, where components are alike
      room.take(n, gram, cross, ridge);
      for (Index i = 0; i < n; ++i)
        for (Index j = 0; j < i; ++j) own[i][j] = own[j][i];
      eliminate(own, room.found.data());
    }
    for (Index i = 0; i < n; ++i) v[room.inside[i]] = room.found[i];
    double most = 0;
    for (Index j = 0; j < k; ++j) room.gradient[j] = -cross[j];
    for (Index i = 0; i < n; ++i) {
      const Index inside = room.inside[i];
      most = larger(most, std::fabs(v[inside]));
      for (Index j = 0; j < k; ++j) room.gradient[j] += v[inside] * gram[inside][j];
    }
    Index wrong = 0, last = -1;
    for (Index j = 0; j < k; ++j) {
      room.wrong[j] = passive[j] ? v[j] < -tol * most : room.gradient[j] < -tol * most_cross;
      if (room.wrong[j]) ++wrong, last = j;
    }
    if (wrong == 0) return true;
    if (wrong < fewest || tries > 0) {
      tries = wrong < fewest ? 3 : tries - 1;
      fewest = smaller(fewest, wrong);
      for (Index j = 0; j < k; ++j) passive[j] = passive[j] != room.wrong[j];
    } else {  // one at a time, which ends for certain
      passive[last] = !passive[last];
    }
  }
  return false;
}

// Lower ½ v·gram·v − cross·v along one entry after the other, v >= 0, until a sweep moves none by more than `tol` of
// the largest.
INLINE void descend(Rows<const double> gram, const double* cross, double tol, int max_sweeps, double* v) {
  const Index k = gram.n_rows;
  for (int sweep = 0; sweep < max_sweeps; ++sweep) {
    double largest = 0, farthest = 0;
    for (Index j = 0; j < k; ++j) {
      double left = cross[j];
      for (Index i = 0; i < k; ++i) left -= gram[j][i] * v[i];
      const double now = larger(v[j] + left * moves::scale_of(gram[j][j], 0.0), 0.0);
      farthest = larger(farthest, std::fabs(now - v[j]));
      largest = larger(largest, now);
      v[j] = now;
    }
    if (farthest <= tol * largest) return;
  }
}

// `pivot` for some rows of V, from what they hold; `left` gets those that did not get there, how many is returned.
template <class T>
Index pivot_rows(Rows<T> V, Rows<const double> gram, Rows<const T> cross, Span<const Index> rows, double ridge,
                 double tol, Index* left) {
  const Index k = V.n_columns;
  Pivots room(k);
  const Room<double> v(k), wanted(k);
  const Room<bool> passive(k);
  Index n_left = 0;
  for (const Index row : rows) {
    for (Index j = 0; j < k; ++j) {
      passive[j] = V[row][j] > 0;
      wanted[j] = double(cross[row][j]);
    }
    if (pivot(room, v.data(), passive.data(), gram, wanted.data(), ridge, tol)) {
      for (Index j = 0; j < k; ++j) V[row][j] = T(larger(v[j], 0.0));
    } else {
      left[n_left++] = row;
    }
  }
  return n_left;
}

}  // namespace coupled_nmf::INSTRUCTIONS
