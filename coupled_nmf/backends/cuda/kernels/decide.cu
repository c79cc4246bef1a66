// J of an iteration, whether its point is accepted, how far to extrapolate next, and whether the loop is done:
// `HostJudge` of problem/control.py, on the device.
#include "block_sum.cuh"
#include "control.cuh"

constexpr int THREADS = 256;

__device__ __forceinline__ double sum_of(const double* terms, int n, int stride) {
  double sum = 0;
  for (int i = threadIdx.x; i < n; i += THREADS) sum += terms[(long long)i * stride];
  return sum;
}

// `n` values stand before `value`, which is the last.
__device__ __forceinline__ bool is_settled(const double* control, const double* history, int n, double value) {
  if (control[TOL] <= 0) return false;
  if (value <= control[FLOOR]) return true;
  const int window = int(control[WINDOW]);
  return n >= window && history[n - window] - value <= control[TOL] * value;
}

__device__ __forceinline__ void decide_by(double value, double* control, double* history) {
  if (!isfinite(value)) {
    control[DONE] = 2;
    return;
  }
  const int n = int(control[COUNT]);
  const bool extrapolated = control[EXTRAPOLATED] != 0, restarts = control[REJECTED] != 0;
  value = value > 0 ? value : 0;
  control[COUNT] = n + 1;
  if (extrapolated && n > 0 && !restarts && value > history[n - 1]) {
    control[CEILING] = control[GOOD];
    control[BETA] /= control[CUT];
    control[LAST_BETA] = control[NEXT_BETA] = 0;
    control[REJECTED] = 1;
    history[n] = history[n - 1];
    return;
  }
  if (extrapolated && !restarts) {
    control[GOOD] = control[BETA];
    control[BETA] = fmin(control[CEILING], control[GROWTH] * control[BETA]);
    control[CEILING] = fmin(1.0, control[CEILING_GROWTH] * control[CEILING]);
  }
  control[FLIPPED] = 1 - control[FLIPPED];
  control[LAST_BETA] = control[NEXT_BETA];
  control[NEXT_BETA] = extrapolated ? control[BETA] : 0;
  control[REJECTED] = 0;
  history[n] = value;
  if (!restarts && is_settled(control, history, n, value)) control[DONE] = 1;
}

// One block. J = base + the sums of a, b and c, every stride-th double of each; null: nothing.
extern "C" __global__ void __launch_bounds__(THREADS)
    decide(double* control, double* history, double base, const double* a, int n_a, int stride_a, const double* b,
           int n_b, int stride_b, const double* c, int n_c, int stride_c) {
  if (is_done(control)) return;
  const double sums[1] = {sum_of(a, a ? n_a : 0, stride_a) + sum_of(b, b ? n_b : 0, stride_b) +
                          sum_of(c, c ? n_c : 0, stride_c)};
  const double total = sum_over_block<THREADS>(sums);
  if (threadIdx.x == 0) decide_by(base + total, control, history);
}
