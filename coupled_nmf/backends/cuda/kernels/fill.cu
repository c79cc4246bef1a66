// Rows of X as the products take them: gaps filled, stored entries spread. A block of threads a row.
#include "block_sum.cuh"
#include "control.cuh"

constexpr int THREADS = 128;

// `filled` becomes x; where x is NaN it keeps what it holds, a product, or becomes 0 in blocks that the row lacks and
// where there are no products. partials (rows; nullable) = (begins) or += the weighted sum of alpha filled^2 over what
// is kept.
extern "C" __global__ void __launch_bounds__(THREADS)
    fill(const double* control, const REAL* __restrict__ x, long long ld, REAL* __restrict__ filled,
         long long ld_filled, int rows, int width, const int* __restrict__ block_of, const double* __restrict__ alpha,
         const unsigned char* __restrict__ absent, int n_blocks, const double* __restrict__ weights, int has_products,
         double* __restrict__ partials, int begins) {
  if (is_done(control)) return;
  const int row = blockIdx.x;
  x += row * ld;
  filled += row * ld_filled;
  absent += (long long)row * n_blocks;
  double squares[1] = {};
  for (int c = threadIdx.x; c < width; c += THREADS) {
    const REAL value = x[c];
    if (!isnan(value)) {
      filled[c] = value;
    } else if (!has_products || absent[block_of[c]]) {
      filled[c] = 0;
    } else {
      const double kept = filled[c];
      squares[0] += alpha[c] * kept * kept;
    }
  }
  if (!partials) return;
  const double total = sum_over_block<THREADS>(squares) * (weights ? weights[row] : 1.0);
  if (threadIdx.x == 0) partials[row] = begins ? total : partials[row] + total;
}

// Dense rows from compressed sparse ones without duplicates. Places in indptr are those of the whole data and indices,
// so that a slice of rows is a slice of indptr alone.
extern "C" __global__ void __launch_bounds__(THREADS)
    expand(const REAL* __restrict__ data, const int* __restrict__ indices, const long long* __restrict__ indptr,
           int rows, int width, REAL* __restrict__ out, long long ld) {
  const int row = blockIdx.x;
  out += row * ld;
  for (int c = threadIdx.x; c < width; c += THREADS) out[c] = 0;
  __syncthreads();
  for (long long e = indptr[row] + threadIdx.x; e < indptr[row + 1]; e += THREADS) out[indices[e]] = data[e];
}
