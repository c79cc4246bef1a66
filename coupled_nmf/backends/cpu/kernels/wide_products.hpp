// Products in double with rows that are kept in T: of float half as much is read, and reading is what they cost.
#pragma once
#include "lanes.hpp"

namespace coupled_nmf::INSTRUCTIONS {

template <class T>
INLINE typename Lanes<double>::Vector load_wide(const T* place) {
  using L = Lanes<double>;
  typedef T Narrow __attribute__((vector_size(L::COUNT * sizeof(T)), aligned(alignof(T)), may_alias));
  return __builtin_convertvector(*reinterpret_cast<const Narrow*>(place), typename L::Vector);
}

constexpr int TOGETHER = 4;  // rows, or vectors, that share what is read

// out = Σ_i by[i] rows[i] over n rows, whole vectors.
template <class T>
void combine(const T* const* rows, const double* by, Index n, Index width, double* out) {
  using L = Lanes<double>;
  for (Index e = 0; e < width; e += TOGETHER * L::COUNT)
    for_count<TOGETHER>(smaller<Index>(TOGETHER, (width - e) / L::COUNT),
                        [&](auto vectors) __attribute__((always_inline)) {
                          constexpr int V = decltype(vectors)::value;
                          typename L::Vector sums[V] = {};
                          for (Index i = 0; i < n; ++i) {
                            const typename L::Vector weight = L::splat(by[i]);
#pragma GCC unroll 4
                            for (int v = 0; v < V; ++v) sums[v] += weight * load_wide(rows[i] + e + v * L::COUNT);
                          }
#pragma GCC unroll 4
                          for (int v = 0; v < V; ++v) L::store(out + e + v * L::COUNT, sums[v]);
                        });
}

// out[j] = Σ_e h[j, e] q[e] for k rows, `stride` apart, of whole vectors.
template <class T>
void dot_all(const T* h, Index stride, Index k, Index width, const double* q, double* out) {
  using L = Lanes<double>;
  for (Index j = 0; j < k; j += TOGETHER)
    for_count<TOGETHER>(smaller<Index>(TOGETHER, k - j), [&](auto rows) __attribute__((always_inline)) {
      constexpr int R = decltype(rows)::value;
      typename L::Vector sums[R] = {};
      for (Index e = 0; e < width; e += L::COUNT) {
        const typename L::Vector some = L::load(q + e);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) sums[r] += some * load_wide(h + (j + r) * stride + e);
      }
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) out[j + r] = add_up<double, 1, L::COUNT>(sums + r)[0];
    });
}

}  // namespace coupled_nmf::INSTRUCTIONS
