// Sums over the threads of a block that are the same in each run.
#pragma once

// Thread i < N gets the sum of the threads' values[i]. Two levels, since barriers cost more than additions.
template <int THREADS, int N>
__device__ __forceinline__ double sum_over_block(const double (&values)[N]) {
  constexpr int GROUPS = THREADS / 8;
  __shared__ double sums[N][THREADS];
  const int thread = threadIdx.x;
  __syncthreads();  // somebody may still read the sums of the call before
#pragma unroll
  for (int i = 0; i < N; ++i) sums[i][thread] = values[i];
  __syncthreads();
  for (int e = thread; e < N * GROUPS; e += THREADS) {
    double* some = sums[e / GROUPS] + e % GROUPS;
#pragma unroll
    for (int other = GROUPS; other < THREADS; other += GROUPS) some[0] += some[other];
  }
  __syncthreads();
  double total = 0;
  if (thread < N) {
#pragma unroll
    for (int group = 0; group < GROUPS; ++group) total += sums[thread][group];
  }
  return total;
}
