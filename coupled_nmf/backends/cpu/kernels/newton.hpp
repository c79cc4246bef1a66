// A row's convex problem under Kullback–Leibler, solved by Newton's method.
#pragma once
#include "curvature.hpp"
#include "logarithms.hpp"
#include "pivot.hpp"
#include "wide_products.hpp"

namespace coupled_nmf::INSTRUCTIONS {

constexpr int SAFE_UPDATES = 5;  // multiplicative, of a row that has no start near the minimum
constexpr int MOST_STEPS = 100, MOST_HALVINGS = 40;
constexpr double MOST_FALL = 0.9, ROUNDING = 1e-13;
constexpr double TINY = 1e-300;  // what divides is at least, and F H where x is above 0

// A step foretells the next: it shrinks by as much as F H changed, but for how alike components are, which is this many
// times at most, or then costs a few steps.
template <class T>
constexpr double SAFE = sizeof(T) == sizeof(float) ? 1e3 : 1e6;

// Minimize linear·v + ½ l2 v·v − Σ xa log(v h) over v >= 0: xa (n,), h (k, n); n is at most `most`.
template <class T>
class RowProblem {
 public:
  INLINE RowProblem(Index k, Index most)
      : k(k),
        xa(padded<double>(most)),
        linear(k),
        v(k),
        n(0),
        h_(k * padded<double>(most)),
        rows_(k),
        weights_(k),
        quotients_(padded<double>(most)),
        found_(padded<double>(most)),
        moves_(padded<double>(most)),
        further_(padded<double>(most)),
        gradient_(k),
        aim_(k),
        step_(k),
        new_(k),
        gram_(k * k),
        scales_(k),
        lengths_(k),
        moving_(k),
        curvature_(k, most),
        pivots_(k) {}

  // Of n entries, which has to be said before.
  INLINE T* h_row(Index j) const { return h_.data() + j * padded<double>(n); }

  // Find v: from `near`, if that is near the minimum, else from far.
  INLINE void solve(const T* near, double l2, double tol) {
    for (Index j = 0; j < k; ++j) v[j] = 0;
    if (n == 0) return;
    for (Index e = n; e < padded<double>(n); ++e) quotients_[e] = 0;  // and stays so: products are of whole vectors
    if (!take(near, l2)) start(l2);
    for (int i = 0; i < MOST_STEPS; ++i) {
      double largest = 0;
      const double moved = newton_step(l2);
      for (Index j = 0; j < k; ++j) largest = larger(largest, v[j] * lengths_[j]);
      // the next step would be about that small; after one that was cut it is not
      if (!cut_ && moved * smaller(1.0, SAFE<T> * change_) <= tol * largest) break;
      if (moved == 0) break;
    }
  }

  const Index k;
  Room<double> xa, linear, v;
  Index n;

 private:
  // out = by h, and then `use` of each stretch of it, while h is in a cache.
  template <class Use>
  INLINE void products(const double* by, double* out, Use use) const {
    Index m = 0;
    for (Index j = 0; j < k; ++j)
      if (by[j] != 0) weights_[m] = by[j], rows_[m++] = h_row(j);
    for (Index first = 0; first < padded<double>(n); first += STRETCH) {
      const Index width = smaller(STRETCH, padded<double>(n) - first);
      combine<T>(rows_.data(), weights_.data(), m, width, out + first);
      for (Index i = 0; i < m; ++i) rows_[i] += width;
      use(first, width);
    }
  }
  INLINE void products(const double* by, double* out) const {
    products(by, out, [](Index, Index) {});
  }

  // out = h q
  INLINE void dots(const double* q, double* out) const {
    dot_all<T>(h_.data(), padded<double>(n), k, padded<double>(n), q, out);
  }

  // Begin near the minimum. An update leaves Σ (linear + l2 v) v as large as Σ x is, if no number was too small for T:
  // return whether that is so.
  INLINE bool take(const T* near, double l2) {
    double total = 0, found = 0;
    for (Index e = 0; e < n; ++e) total += xa[e];
    for (Index j = 0; j < k; ++j) {
      v[j] = double(near[j]);
      found += (linear[j] + l2 * v[j]) * v[j];
    }
    if (!(found > 0.99 * total && found < 1.01 * total)) return false;
    products(v.data(), found_.data());
    value_ = value_of(v.data(), found_.data(), l2);
    return value_ < __builtin_huge_val();
  }

  // Begin far from it, and come nearer by multiplicative updates.
  INLINE void start(double l2) {
    double total = 0, all = 0;
    for (Index e = 0; e < n; ++e) total += xa[e];
    for (Index e = 0; e < n; ++e) quotients_[e] = 1;
    dots(quotients_.data(), step_.data());
    for (Index j = 0; j < k; ++j) {
      v[j] = step_[j] > 0;
      all += step_[j] > 0 ? linear[j] : 0;
    }
    for (Index j = 0; j < k; ++j) v[j] = v[j] * total / larger(all, TINY);
    for (int i = 0; i < SAFE_UPDATES; ++i) {
      for (Index j = 0; j < k; ++j) step_[j] = 0;
      products(v.data(), found_.data(), [&](Index first, Index width) {
        for (Index e = first; e < smaller(first + width, n); ++e) quotients_[e] = xa[e] / larger(found_[e], TINY);
        dot_all<T>(h_.data() + first, padded<double>(n), k, width, quotients_.data() + first, new_.data());
        for (Index j = 0; j < k; ++j) step_[j] += new_[j];
      });
      for (Index j = 0; j < k; ++j) v[j] *= step_[j] / larger(linear[j] + l2 * v[j], TINY);
    }
    products(v.data(), found_.data());
    value_ = value_of(v.data(), found_.data(), l2);
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

  // One step: to the minimum of the quadratic model, v >= 0, or part of the way. Return how far v moved, where entries
  // count by the roots of their curvatures.
  INLINE double newton_step(double l2) {
    cut_ = false;
    if (!aim(l2)) return 0;
    double slope = 0, part = 1;
    for (Index j = 0; j < k; ++j) {
      step_[j] = larger(aim_[j], 0.0) - v[j];
      slope += gradient_[j] * step_[j];
    }
    products(step_.data(), moves_.data());
    change_ = 0;
    for (Index e = 0; e < n; ++e) {
      change_ = larger(change_, std::fabs(moves_[e]) / found_[e]);
      // no entry of F H falls by more than this: near zero, steps would be tiny
      if (moves_[e] < -MOST_FALL * found_[e]) part = smaller(part, -MOST_FALL * found_[e] / moves_[e]);
    }
    cut_ = part < 1;
    const double slack = ROUNDING * std::fabs(value_);  // near the end the gradient still tells what values do not
    for (int halving = 0; halving < MOST_HALVINGS; ++halving, part *= 0.5) {
      for (Index j = 0; j < k; ++j) new_[j] = v[j] + part * step_[j];
      for (Index e = 0; e < n; ++e) further_[e] = found_[e] + part * moves_[e];
      const double now = value_of(new_.data(), further_.data(), l2);
      if (!(now <= value_ + 1e-4 * part * smaller(slope, 0.0) + slack)) continue;
      if (halving > 0) change_ = 1;
      double most = 0;
      for (Index j = 0; j < k; ++j) v[j] = new_[j], most = larger(most, std::fabs(step_[j]) * lengths_[j]);
      for (Index e = 0; e < n; ++e) found_[e] = further_[e];
      value_ = now;
      return part * most;
    }
    return 0;
  }

  // Where the quadratic model is least, and the gradient. Entries that are at zero and would fall stay there. Return
  // whether there is a model: curvatures may be beyond numbers.
  INLINE bool aim(double l2) {
    for (Index e = 0; e < n; ++e) quotients_[e] = xa[e] / found_[e];
    dots(quotients_.data(), gradient_.data());
    Index m = 0;
    for (Index j = 0; j < k; ++j) {
      gradient_[j] = linear[j] + l2 * v[j] - gradient_[j];
      aim_[j] = lengths_[j] = 0;
      if (v[j] > 0 || gradient_[j] < 0) moving_[m++] = j;
    }
    const Rows<double> gram{gram_.data(), m, m, m};
    for (Index i = 0; i < m; ++i) rows_[i] = h_row(moving_[i]);
    curvature_.add_up(rows_.data(), m, n, quotients_.data(), found_.data(), gram);
    for (Index i = 0; i < m; ++i) {  // entries of one curvature, so that no unit hides another
      const Index j = moving_[i];
      gram[i][i] += l2;
      if (!(gram[i][i] < __builtin_huge_val())) return false;
      lengths_[j] = std::sqrt(gram[i][i]);
      scales_[i] = std::sqrt(moves::scale_of(gram[i][i], 0.0));
      step_[i] = scales_[i] > 0 ? v[j] / scales_[i] : 0;
      new_[i] = -gradient_[j] * scales_[i];
    }
    for (Index i = 0; i < m; ++i) {
      for (Index j = 0; j < m; ++j) {
        gram[i][j] *= scales_[i] * scales_[j];
        new_[i] += gram[i][j] * step_[j];
      }
      new_[i] = larger(new_[i], 0.0);  // an entry below ends at zero, and how far below hides the others
    }
    const Rows<const double> own{gram_.data(), m, m, m};
    solve_row(pivots_, step_.data(), own, new_.data(), ROUNDING, ROUNDING);
    for (Index i = 0; i < m; ++i) aim_[moving_[i]] = step_[i] * scales_[i];
    return true;
  }

  const Room<T> h_;
  const Room<const T*> rows_;  // those that count in a product, and what each is multiplied by
  const Room<double> weights_;
  Room<double> quotients_, found_, moves_, further_, gradient_, aim_, step_, new_, gram_, scales_, lengths_;
  Room<Index> moving_;
  const Curvature curvature_;
  Pivots pivots_;
  double value_ = 0;
  double change_ = 1;  // the largest of an entry of F H by the last step, as part of it; 1 if the step was halved
  bool cut_ = false;   // whether the step would have gone further, but for F H
};

}  // namespace coupled_nmf::INSTRUCTIONS
