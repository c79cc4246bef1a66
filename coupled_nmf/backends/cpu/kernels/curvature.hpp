// The gram of a row's Newton steps under Kullback–Leibler: what most of their time goes into.
#pragma once
#include "products.hpp"
#include "room.hpp"

namespace coupled_nmf::INSTRUCTIONS {

constexpr Index STRETCH = 480;  // columns at a time: of fewer, adding up vectors would take as long as multiplying

// Sums h diag(x / found²) hᵀ over rows of h.
class Curvature {
 public:
  INLINE Curvature(Index k, Index most) : roots_(most), stretch_(k * STRETCH) {}

  // gram (m, m) of m `rows` of n numbers; `quotients` are x / found.
  template <class T>
  INLINE void add_up(const T* const* rows, Index m, Index n, const double* quotients, const double* found,
                     Rows<double> gram) const {
    for (Index e = 0; e < n; ++e) roots_[e] = std::sqrt(quotients[e] / found[e]);
    for (Index i = 0; i < m * m; ++i) gram.data[i] = 0;
    for (Index start = 0; start < n; start += STRETCH) {
      const Index width = smaller(STRETCH, n - start);
      for (Index i = 0; i < m; ++i)
        for (Index e = 0; e < width; ++e) stretch_[i * STRETCH + e] = double(rows[i][start + e]) * roots_[start + e];
      for (Index i = 0; i < m; i += DOT_ROWS)  // up to the diagonal
        add_dots<double>(stretch_.data() + i * STRETCH, STRETCH, smaller<Index>(DOT_ROWS, m - i), width,
                         stretch_.data(), STRETCH, smaller<Index>(m, i + DOT_ROWS), gram.data + i, m);
    }
    for (Index j = 0; j < m; ++j)
      for (Index i = 0; i < j; ++i) gram[j][i] = gram[i][j];
  }

 private:
  const Room<double> roots_, stretch_;
};

}  // namespace coupled_nmf::INSTRUCTIONS
