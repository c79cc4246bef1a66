// The gram of a row's Newton steps under Kullback–Leibler: what most of their time goes into.
#pragma once
#include "products.hpp"
#include "room.hpp"

namespace coupled_nmf::INSTRUCTIONS {

constexpr Index STRETCH = 480;  // columns at a time: of fewer, adding up vectors would take as long as multiplying

// Sums h diag(x / found²) hᵀ over rows of h, in a number type S.
template <class S>
class Curvature {
 public:
  INLINE Curvature(Index k, Index most) : roots_(most), stretch_(k * STRETCH), sums_(k * k) {}

  // gram (m, m) of m `rows` of n numbers; `quotients` are x / found. Return whether S could hold what it is made of.
  template <class T>
  INLINE bool add_up(const T* const* rows, Index m, Index n, const double* quotients, const double* found,
                     Rows<double> gram) const {
    if (!find_roots(n, quotients, found)) return false;
    for (Index i = 0; i < m * m; ++i) sums_[i] = 0;
    for (Index start = 0; start < n; start += STRETCH) {
      const Index width = smaller(STRETCH, n - start);
      for (Index i = 0; i < m; ++i)
        for (Index e = 0; e < width; ++e) stretch_[i * STRETCH + e] = S(rows[i][start + e]) * roots_[start + e];
      for (Index i = 0; i < m; i += DOT_ROWS)  // up to the diagonal
        add_dots<S>(stretch_.data() + i * STRETCH, STRETCH, smaller<Index>(DOT_ROWS, m - i), width, stretch_.data(),
                    STRETCH, smaller<Index>(m, i + DOT_ROWS), sums_.data() + i, m);
    }
    for (Index j = 0; j < m; ++j) {
      if (!(sums_[j * m + j] >= LEAST && sums_[j * m + j] <= MOST)) return false;
      for (Index i = 0; i <= j; ++i) gram[i][j] = gram[j][i] = double(sums_[i * m + j]);
    }
    return true;
  }

 private:
  static constexpr double LEAST = sizeof(S) == sizeof(float) ? 1e-30 : 0.0;
  static constexpr double MOST = sizeof(S) == sizeof(float) ? 1e37 : __builtin_huge_val();

  INLINE bool find_roots(Index n, const double* quotients, const double* found) const {
    double most = 0;
    for (Index e = 0; e < n; ++e) {
      const double root = std::sqrt(quotients[e] / found[e]);
      roots_[e] = S(root);
      most = larger(most, root);
    }
    return most * most <= MOST;
  }

  const Room<S> roots_, stretch_, sums_;
};

}  // namespace coupled_nmf::INSTRUCTIONS
