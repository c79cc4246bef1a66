// Looks at dense rows of X. A block of threads looks at one block of columns of one row: grid (rows, n_blocks).
#include "block_sum.cuh"

constexpr int THREADS = 128;

// CuPy has floats that are too small for normal numbers read as zeros (-ftz); here they count, as they do on the host.
__device__ __forceinline__ double exact(double value) { return value; }
__device__ __forceinline__ double exact(float value) {
#ifdef __CUDA_ARCH__
  double found;
  asm("cvt.f64.f32 %0, %1;" : "=d"(found) : "f"(value));
  return found;
#else
  return value;
#endif
}

// out (rows, n_blocks, 4): squares and sum of the entries that are not NaN, how many are NaN, how many are negative.
extern "C" __global__ void __launch_bounds__(THREADS)
    scan(const REAL* __restrict__ x, long long ld, int rows, const int* __restrict__ edges, int n_blocks,
         double* __restrict__ out) {
  const int row = blockIdx.x, block = blockIdx.y;
  double squares = 0, sum = 0;
  int missing = 0, negative = 0;
  for (int c = edges[block] + threadIdx.x; c < edges[block + 1]; c += THREADS) {
    const double value = exact(x[row * ld + c]);
    if (isnan(value)) {
      ++missing;
    } else {
      squares += value * value;
      sum += value;
      negative += value < 0;
    }
  }
  const double sums[4] = {squares, sum, double(missing), double(negative)};
  const double total = sum_over_block<THREADS>(sums);
  if (threadIdx.x < 4) out[4 * ((long long)row * n_blocks + block) + threadIdx.x] = total;
}

// missing[column] += NaNs in rows whose weight (null: 1) is above 0; a thread a column.
extern "C" __global__ void count_gaps(const REAL* __restrict__ x, long long ld, int rows, int width,
                                      const double* __restrict__ weights, int* __restrict__ missing) {
  const int column = blockIdx.x * blockDim.x + threadIdx.x;
  if (column >= width) return;
  int found = 0;
  for (int row = 0; row < rows; ++row) found += isnan(x[row * ld + column]) && (!weights || weights[row] > 0);
  missing[column] += found;
}

// out (rows, n_blocks): squares of x - product where x is not NaN.
extern "C" __global__ void __launch_bounds__(THREADS)
    residual(const REAL* __restrict__ x, long long ld, const REAL* __restrict__ product, long long ld_product, int rows,
             const int* __restrict__ edges, int n_blocks, double* __restrict__ out) {
  const int row = blockIdx.x, block = blockIdx.y;
  double squares[1] = {};
  for (int c = edges[block] + threadIdx.x; c < edges[block + 1]; c += THREADS) {
    const double value = x[row * ld + c], left = value - product[row * ld_product + c];
    if (!isnan(value)) squares[0] += left * left;
  }
  const double total = sum_over_block<THREADS>(squares);
  if (threadIdx.x == 0) out[(long long)row * n_blocks + block] = total;
}
