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

// Room for rows of at most k entries, made once for many.
struct Pivots {
  INLINE explicit Pivots(Index k)
      : some(k * padded<double>(k), 0.0),
        parts(k * ELIMINATED),
        found(k),
        gradient(k),
        start(k),
        inside(k),
        passive(k),
        wrong(k) {}

  // Solve for the entries that are passive, which are listed in `inside`, and return how many they are; the solution is
  // left in `found`.
  INLINE Index solve(Rows<const double> gram, const double* cross, double ridge) {
    Index n = 0;
    for (Index j = 0; j < gram.n_rows; ++j)
      if (passive[j]) inside[n++] = j;
    const Rows<double> own = take(n, gram, cross, ridge);
    if (solve_definite(own, found.data(), parts.data())) return n;
    take(n, gram, cross, ridge);  // not definite, by rounding, where components are alike
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j < i; ++j) own[i][j] = own[j][i];
    eliminate(own, found.data());
    return n;
  }

  // The gradient at v, all of whose entries that are not zero are `inside`.
  INLINE void find_gradient(Index n, const double* v, Rows<const double> gram, const double* cross) {
    const Index k = gram.n_rows;
    for (Index j = 0; j < k; ++j) gradient[j] = -cross[j];
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j < k; ++j) gradient[j] += v[inside[i]] * gram[inside[i]][j];
  }

  Room<double> some, parts, found, gradient, start;
  Room<Index> inside;
  Room<bool> passive, wrong;

 private:
  // Return the gram, its upper half, of what is inside; `found` becomes its cross.
  INLINE Rows<double> take(Index n, Rows<const double> gram, const double* cross, double ridge) {
    const Rows<double> own{some.data(), n, n, padded<double>(n)};
    for (Index i = 0; i < n; ++i) {
      for (Index j = i; j < n; ++j) own[i][j] = gram[inside[i]][inside[j]];
      own[i][i] += ridge;
      found[i] = cross[inside[i]];
    }
    return own;
  }
};

INLINE double largest_of(const double* numbers, Index n) {
  double most = 0;
  for (Index i = 0; i < n; ++i) most = larger(most, std::fabs(numbers[i]));
  return most;
}

// Steps of one row of k entries, at most: few rows need a dozen blocks, and those that go in circles cost less one
// entry at a time, of which each mostly changes sides once.
INLINE Index most_blocks(Index k) { return k / 4 + 30; }
INLINE Index most_entries_moved(Index k) { return 10 * k + 100; }

// Solve min ½ v·gram·v − cross·v, v >= 0, by block principal pivoting (Kim and Park 2011) from the entries of v above
// zero. Return whether it got there. `ridge` keeps components that are alike apart; what is below `tol` of the largest
// is not infeasible.
INLINE bool pivot(Pivots& room, double* v, Rows<const double> gram, const double* cross, double ridge, double tol) {
  const Index k = gram.n_rows;
  const double most_cross = largest_of(cross, k);
  Index fewest = k + 1;
  int tries = 3;
  for (Index j = 0; j < k; ++j) room.passive[j] = v[j] > 0;
  for (Index step = 0; step < most_blocks(k); ++step) {
    const Index n = room.solve(gram, cross, ridge);
    for (Index j = 0; j < k; ++j) v[j] = 0;
    for (Index i = 0; i < n; ++i) v[room.inside[i]] = room.found[i];
    room.find_gradient(n, v, gram, cross);
    const double most = largest_of(room.found.data(), n);
    Index wrong = 0, last = -1;
    for (Index j = 0; j < k; ++j) {
      room.wrong[j] = room.passive[j] ? v[j] < -tol * most : room.gradient[j] < -tol * most_cross;
      if (room.wrong[j]) ++wrong, last = j;
    }
    if (wrong == 0) return true;
    if (wrong < fewest || tries > 0) {
      tries = wrong < fewest ? 3 : tries - 1;
      fewest = smaller(fewest, wrong);
      for (Index j = 0; j < k; ++j) room.passive[j] = room.passive[j] != room.wrong[j];
    } else {  // one at a time, which seldom goes in circles, too
      room.passive[last] = !room.passive[last];
    }
  }
  return false;
}

// Go from v as far as no entry falls below zero towards what was found; those that reach it are no longer passive.
INLINE void go_towards(Pivots& room, Index n, double* v) {
  double part = 1;
  for (Index i = 0; i < n; ++i) {
    const double old = v[room.inside[i]], now = room.found[i];
    if (now <= 0) part = smaller(part, old > 0 ? old / (old - now) : 0.0);
  }
  for (Index i = 0; i < n; ++i) {
    const Index j = room.inside[i];
    const double old = v[j], now = room.found[i];
    const bool ends = now <= 0 && !(old > 0 && old / (old - now) > part);
    v[j] = ends ? 0 : larger(old + part * (now - old), 0.0);
    room.passive[j] = !ends;
  }
}

// As `pivot`, from a v that is nowhere below zero, one entry more or less at a time (Lawson and Hanson 1974). Each step
// lowers what is minimized, but for rounding, so no set of entries comes twice: it ends where blocks go in circles,
// since components are alike. If rounding keeps it from that, v is the lowest that was found.
INLINE void lower_by_one(Pivots& room, double* v, Rows<const double> gram, const double* cross, double ridge,
                         double tol) {
  const Index k = gram.n_rows;
  const double most_cross = largest_of(cross, k);
  const Room<bool>& refused = room.wrong;
  for (Index j = 0; j < k; ++j) room.passive[j] = v[j] > 0, refused[j] = false;
  Index entered = -1;
  for (Index step = 0; step < most_entries_moved(k); ++step) {
    const Index n = room.solve(gram, cross, ridge);
    bool goes_in = true, stays = true;
    for (Index i = 0; i < n; ++i) {
      const double now = room.found[i];
      if (!(std::fabs(now) < __builtin_huge_val())) return;
      if (now <= 0) (room.inside[i] == entered ? goes_in : stays) = false;
    }
    if (!goes_in) {  // its gradient was rounding
      room.passive[entered] = false;
      refused[entered] = true;
    } else {
      go_towards(room, n, v);
      if (!stays) {
        entered = -1;
        continue;
      }
      for (Index j = 0; j < k; ++j) refused[j] = false;
    }
    room.find_gradient(n, v, gram, cross);
    double most = tol * most_cross;
    entered = -1;
    for (Index j = 0; j < k; ++j)
      if (!room.passive[j] && !refused[j] && -room.gradient[j] > most) most = -room.gradient[j], entered = j;
    if (entered < 0) return;
    room.passive[entered] = true;
  }
}

// ½ v·gram·v − cross·v
INLINE double value_of(const double* v, Rows<const double> gram, const double* cross) {
  double total = 0;
  for (Index i = 0; i < gram.n_rows; ++i) {
    if (v[i] == 0) continue;
    double own = -cross[i];
    for (Index j = 0; j < gram.n_rows; ++j) own += 0.5 * gram[i][j] * v[j];
    total += v[i] * own;
  }
  return total;
}

// Solve min ½ v·gram·v − cross·v, v >= 0, from a v that is nowhere below zero.
INLINE void solve_row(Pivots& room, double* v, Rows<const double> gram, const double* cross, double ridge, double tol) {
  const Index k = gram.n_rows;
  for (Index j = 0; j < k; ++j) room.start[j] = v[j];
  const bool ended = pivot(room, v, gram, cross, ridge, tol);
  for (Index j = 0; j < k; ++j) v[j] = larger(v[j], 0.0);
  if (ended) return;
  if (!(value_of(v, gram, cross) < value_of(room.start.data(), gram, cross)))
    for (Index j = 0; j < k; ++j) v[j] = room.start[j];
  lower_by_one(room, v, gram, cross, ridge, tol);
}

// Solve for some rows of V, from what they hold.
template <class T>
void pivot_rows(Rows<T> V, Rows<const double> gram, Rows<const T> cross, Span<const Index> rows, double ridge,
                double tol) {
  const Index k = V.n_columns;
  Pivots room(k);
  const Room<double> v(k), wanted(k);
  for (const Index row : rows) {
    for (Index j = 0; j < k; ++j) v[j] = double(V[row][j]), wanted[j] = double(cross[row][j]);
    solve_row(room, v.data(), gram, wanted.data(), ridge, tol);
    for (Index j = 0; j < k; ++j) V[row][j] = T(v[j]);
  }
}

}  // namespace coupled_nmf::INSTRUCTIONS
