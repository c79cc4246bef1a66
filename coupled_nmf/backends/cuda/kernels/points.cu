// Points that follow from a pair of factors without a move. Threads are rows of the factor, as many as there are.
#include "control.cuh"
#include "moves.hpp"

#define EACH_ROW(i, n) for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)

// After a rejection the point further on is the held factor itself.
extern "C" __global__ void keep_point(const double* control, const REAL* first, const REAL* second, long long ld,
                                      const double* weights, REAL* further, REAL* weighted, long long ld_further,
                                      int k, int n) {
  if (is_done(control) || !control || control[REJECTED] == 0) return;
  const REAL* held = is_flipped(control) ? second : first;
  EACH_ROW(i, n) {
    for (int j = 0; j < k; ++j) {
      const REAL value = held[j * ld + i];
      further[j * ld_further + i] = value;
      if (weighted) weighted[j * ld_further + i] = weights ? weigh(value, weights[i]) : value;
    }
  }
}

// Where the next move of the factor begins; by multiplicative updates, which never leave zero, above it.
extern "C" __global__ void extrapolated(const double* control, const REAL* first, const REAL* second, long long ld,
                                        int k, int n, int above_zero, REAL* out, long long ld_out) {
  if (is_done(control)) return;
  const REAL beta = beta_of(control, LAST_BETA);
  const REAL* held = is_flipped(control) ? second : first;
  const REAL* other = is_flipped(control) ? first : second;
  EACH_ROW(i, n) {
    for (int j = 0; j < k; ++j) {
      REAL value = held[j * ld + i];
      if (beta > 0 && above_zero) value = moves::extrapolated_above_zero(value, other[j * ld + i], beta);
      if (beta > 0 && !above_zero) value = moves::extrapolated(value, other[j * ld + i], beta);
      out[j * ld_out + i] = value;
    }
  }
}

// Write what was found (k, n) to the other of the pair.
extern "C" __global__ void put_other(const double* control, REAL* first, REAL* second, long long ld, int k, int n,
                                     const REAL* found, long long ld_found) {
  if (is_done(control)) return;
  REAL* other = is_flipped(control) ? first : second;
  EACH_ROW(i, n) {
    for (int j = 0; j < k; ++j) other[j * ld + i] = found[j * ld_found + i];
  }
}
