// F for a given H under Kullback–Leibler: a convex problem for each row, solved by Newton's method.
#pragma once
#include "divergence.hpp"
#include "pivot.hpp"

namespace coupled_nmf::INSTRUCTIONS {

constexpr int FIRST_UPDATES = 5;  // multiplicative, before Newton's steps: they go well near the minimum
constexpr int MOST_STEPS = 100, MOST_HALVINGS = 40;
constexpr double MOST_FALL = 0.9, ROUNDING = 1e-13;
constexpr double TINY = 1e-300;  // what divides is at least, and F H where x is above 0

// Minimize linear·v + ½ l2 v·v − Σ xa log(v h) over v >= 0: xa (n,), h (k, n); n is at most `most`.
class RowProblem {
 public:
  INLINE RowProblem(Index k, Index most)
      : k(k),
        xa(most),
        h(k * most),
        linear(k),
        v(k),
        n(0),
        quotients_(most),
        found_(most),
        moves_(most),
        further_(most),
        gradient_(k),
        aim_(k),
        step_(k),
        new_(k),
        gram_(k * k),
        scaled_(most),
        passive_(k),
        moving_(k),
        products_(k),
        panel_(k),
        weighted_(k),
        pivots_(k) {}

  INLINE double* h_row(Index j) const { return h.data() + j * n; }

  // Find v.
  INLINE void solve(double l2, double tol) {
    start(l2);
    if (n == 0) return;
    products(v.data(), found_.data());
    value_ = value_of(v.data(), found_.data(), l2);
    for (int i = 0; i < MOST_STEPS; ++i) {
      double largest = 0;
      const double moved = newton_step(l2);
      for (const double entry : v.span()) largest = larger(largest, entry);
      if (moved <= tol * largest) break;
    }
  }

  const Index k;
  Room<double> xa, h, linear, v;
  Index n;

 private:
  // out = v h
  INLINE void products(const double* by, double* out) const {
    for (Index e = 0; e < n; ++e) out[e] = 0;
    for (Index j = 0; j < k; ++j)
      if (by[j] != 0)
        for (Index e = 0; e < n; ++e) out[e] += by[j] * h_row(j)[e];
  }

  INLINE double dot(const double* a, const double* b, Index size) const {
    double total = 0;
    for (Index i = 0; i < size; ++i) total += a[i] * b[i];
    return total;
  }

  INLINE void start(double l2) {
    double total = 0, all = 0;
    for (Index e = 0; e < n; ++e) total += xa[e];
    for (Index j = 0; j < k; ++j) {
      double reach = 0;
      for (Index e = 0; e < n; ++e) reach += h_row(j)[e];
      v[j] = reach > 0;
      all += reach > 0 ? linear[j] : 0;
    }
    for (Index j = 0; j < k; ++j) v[j] = n > 0 ? v[j] * total / larger(all, TINY) : 0;
    if (n == 0) return;
    for (int i = 0; i < FIRST_UPDATES; ++i) {
      products(v.data(), found_.data());
      for (Index e = 0; e < n; ++e) quotients_[e] = xa[e] / larger(found_[e], TINY);
      for (Index j = 0; j < k; ++j) v[j] *= dot(h_row(j), quotients_.data(), n) / larger(linear[j] + l2 * v[j], TINY);
    }
  }

  // What is minimized, but for a constant; infinite where F H is not above 0.
  INLINE double value_of(const double* at, const double* found, double l2) const {
    double total = 0;
    for (Index j = 0; j < k; ++j) total += at[j] * (linear[j] + 0.5 * l2 * at[j]);
    using L = Lanes<double>;
    const Index whole = n / L::COUNT * L::COUNT;
    typename L::Vector logs{}, least = L::splat(1);
    for (Index e = 0; e < whole; e += L::COUNT) {
      const typename L::Vector some = L::load(found + e);
      logs += L::load(xa.data() + e) * log_of<double>(some);
      least = some < least ? some : least;
    }
    double lowest = 1;
    for (int lane = 0; lane < L::COUNT; ++lane) total -= logs[lane], lowest = smaller(lowest, double(least[lane]));
    for (Index e = whole; e < n; ++e) total -= xa[e] * std::log(found[e]), lowest = smaller(lowest, found[e]);
    return lowest > 0 ? total : __builtin_huge_val();
  }

  // One step: to the minimum of the quadratic model, v >= 0, or part of the way. Return how far v moved.
  INLINE double newton_step(double l2) {
    aim(l2);
    double slope = 0, part = 1;
    for (Index j = 0; j < k; ++j) {
      step_[j] = larger(aim_[j], 0.0) - v[j];
      slope += gradient_[j] * step_[j];
    }
    products(step_.data(), moves_.data());
    for (Index e = 0; e < n; ++e)  // no entry of F H falls by more than this: near zero, steps would be tiny
      if (moves_[e] < -MOST_FALL * found_[e]) part = smaller(part, -MOST_FALL * found_[e] / moves_[e]);
    const double slack = ROUNDING * std::fabs(value_);  // near the end the gradient still tells what values do not
    for (int halving = 0; halving < MOST_HALVINGS; ++halving, part *= 0.5) {
      for (Index j = 0; j < k; ++j) new_[j] = v[j] + part * step_[j];
      for (Index e = 0; e < n; ++e) further_[e] = found_[e] + part * moves_[e];
      const double now = value_of(new_.data(), further_.data(), l2);
      if (!(now <= value_ + 1e-4 * part * smaller(slope, 0.0) + slack)) continue;
      double most = 0;
      for (Index j = 0; j < k; ++j) v[j] = new_[j], most = larger(most, std::fabs(step_[j]));
      for (Index e = 0; e < n; ++e) found_[e] = further_[e];
      value_ = now;
      return part * most;
    }
    return 0;
  }

  // Where the quadratic model is least, and the gradient. Entries that are at zero and would fall stay there.
  INLINE void aim(double l2) {
    for (Index e = 0; e < n; ++e) quotients_[e] = xa[e] / found_[e];
    Index m = 0;
    for (Index j = 0; j < k; ++j) {
      gradient_[j] = linear[j] + l2 * v[j] - dot(h_row(j), quotients_.data(), n);
      aim_[j] = 0;
      if (v[j] > 0 || gradient_[j] < 0) moving_[m++] = j;
    }
    const Rows<double> gram{gram_.data(), m, m, m};
    curvature(m, gram);
    double most = 0;
    for (Index i = 0; i < m; ++i) {
      const Index j = moving_[i];
      gram[i][i] += l2;
      most = larger(most, gram[i][i]);
      passive_[i] = v[j] > 0;
      new_[i] = -gradient_[j];
    }
    for (Index i = 0; i < m; ++i)
      for (Index j = 0; j < m; ++j) new_[i] += gram[i][j] * v[moving_[j]];
    const Rows<const double> own{gram_.data(), m, m, m};
    const bool found =
        pivot(pivots_, step_.data(), passive_.data(), own, new_.data(), larger(ROUNDING * most, TINY), ROUNDING);
    for (Index i = 0; i < m; ++i) {
      const Index j = moving_[i];
      aim_[j] = found ? step_[i] : v[j] * dot(h_row(j), quotients_.data(), n) / larger(linear[j] + l2 * v[j], TINY);
    }
  }

  // Gram of the rows of h that may move, each entry times x over the square of what is found there.
  INLINE void curvature(Index m, Rows<double> gram) const {
    const Rows<double> panel{panel_.data(), m, PANEL, PANEL}, weighted{weighted_.data(), m, PANEL, PANEL};
    for (Index e = 0; e < n; ++e) scaled_[e] = quotients_[e] / found_[e];
    products_.clear();
    for (Index start = 0; start < n; start += PANEL) {
      const Index height = smaller(PANEL, n - start);
      for (Index i = 0; i < m; ++i) {
        const double* row = h_row(moving_[i]) + start;
        for (Index e = 0; e < height; ++e) {
          panel[i][e] = row[e];
          weighted[i][e] = row[e] * scaled_[start + e];
        }
      }
      products_.add(panel, weighted, height);
    }
    products_.put(gram);
  }

  Room<double> quotients_, found_, moves_, further_, gradient_, aim_, step_, new_, gram_, scaled_;
  Room<bool> passive_;
  Room<Index> moving_;
  const GramSum<double> products_;
  const Panel<double> panel_, weighted_;
  Pivots pivots_;
  double value_ = 0;
};

// The entries above zero of a row, and their columns of X.
template <class T>
struct Positive {
  INLINE explicit Positive(Index most) : x(most), columns(most), n(0) {}
  Room<T> x;
  Room<Index> columns;
  Index n;
};

// Gather a row's entries above zero; `wanted` (k,) becomes Σ α h over the entries that are there.
template <class T>
void gather_row(Tile<T> tile, Index row, const bool* lacks, Bounds bounds, const Divisors<T>& by, Positive<T>& found,
                double* wanted) {
  found.n = 0;
  sums_there(by.sums, lacks, by.alpha, wanted);
  for (Index p = 0; p < tile.n_parts; ++p) {
    const Entries<T> x = entries_of(tile[p], row);
    for (Index e = 0, block = 0; e < x.size; ++e) {
      const Index column = x.column(e);
      block = bounds.block_of(column, block);
      if (lacks[block] || x.data[e] == 0) continue;
      if (x.data[e] > 0) {
        found.x[found.n] = x.data[e];
        found.columns[found.n++] = column;
      } else {  // missing
        for (Index j = 0; j < by.H.n_rows; ++j) wanted[j] -= by.alpha[block] * double(by.H[j][column]);
      }
    }
  }
}

// Give a problem those entries that some component reaches, times α, and their columns of H.
template <class T>
void pose(const Positive<T>& found, const bool* reached, Bounds bounds, const Divisors<T>& by, RowProblem& problem,
          Index* places) {
  problem.n = 0;
  for (Index e = 0, block = 0; e < found.n; ++e) {
    block = bounds.block_of(found.columns[e], block);
    if (reached[found.columns[e]] && by.alpha[block] > 0) {
      problem.xa[problem.n] = double(found.x[e]) * by.alpha[block];
      places[problem.n++] = found.columns[e];
    }
  }
  for (Index j = 0; j < problem.k; ++j)
    for (Index e = 0; e < problem.n; ++e) problem.h_row(j)[e] = double(by.H[j][places[e]]);
}

// Add what a row's F leaves: 2 w D to the losses, w times the squares of the residual to the squares.
template <class T>
void add_losses(Tile<T> tile, Index row, const T* f, const bool* lacks, Bounds bounds, const Divisors<T>& by,
                Stack<const double> grams, double weight, const Positive<T>& positive, const BlockSums& out) {
  for (Index block = 0; block < bounds.n_blocks(); ++block) {
    if (lacks[block]) continue;
    out.squares[block] += weight * quadratic(f, grams[block]);
    for (Index j = 0; j < by.H.n_rows; ++j) out.losses[block] += 2 * weight * double(f[j]) * by.sums[block][j];
  }
  for (Index e = 0, block = 0; e < positive.n; ++e) {
    const double x = double(positive.x[e]), found = product(f, by.H, positive.columns[e]);
    block = bounds.block_of(positive.columns[e], block);
    out.losses[block] += 2 * weight * entry_loss(x, x / larger(found, TINY), found);
    out.squares[block] += weight * x * (x - 2 * found);
    out.logs[block] += weight * x * std::log(x);
    out.totals[block] += weight * x;
  }
  for (Index p = 0; p < tile.n_parts; ++p) {  // what is missing was counted
    const Entries<T> x = entries_of(tile[p], row);
    for (Index e = 0, block = 0; e < x.size; ++e) {
      if (x.data[e] == x.data[e]) continue;
      block = bounds.block_of(x.column(e), block);
      if (lacks[block]) continue;
      const double found = product(f, by.H, x.column(e));
      out.losses[block] -= 2 * weight * found;
      out.squares[block] -= weight * found * found;
    }
  }
}

// Minimize Σ_b α_b D(x_b ‖ f H_b) + penalties over each row.
//
// To the blocks' `losses` 2 w D is added, to `squares` those of the residual, to `logs` w x log x and to `totals` w x.
// `grams` (n_blocks, k, k) are H_b H_bᵀ.
template <class T>
void solve_divergence_tile(Tile<T> tile, Bounds bounds, Rows<const bool> absent, const Divisors<T>& by,
                           Stack<const double> grams, double l1, double l2, Span<const double> weights, double tol,
                           Rows<T> F, const BlockSums& out) {
  const Index k = by.H.n_rows, width = by.H.n_columns, most = most_entries(tile);
  RowProblem problem(k, most);
  Positive<T> positive(most);
  const Room<Index> places(width);
  const Room<bool> reached(width, false);
  for (Index j = 0; j < k; ++j)
    for (Index i = 0; i < width; ++i) reached[i] = reached[i] || by.H[j][i] > 0;
  for (Index row = 0; row < F.n_rows; ++row) {
    const bool* lacks = absent[row];
    gather_row(tile, row, lacks, bounds, by, positive, problem.linear.data());
    for (double& one : problem.linear.span()) one = larger(one, 0.0) + l1;
    pose(positive, reached.data(), bounds, by, problem, places.data());
    problem.solve(l2, tol);
    for (Index j = 0; j < k; ++j) F[row][j] = T(problem.v[j]);
    add_losses(tile, row, F[row], lacks, bounds, by, grams, weight_of(weights, row), positive, out);
  }
}

}  // namespace coupled_nmf::INSTRUCTIONS
