// Sums that are gathered part by part, in double and in an order that never changes.

// total (size) becomes (begins), or grows by, the sum of the parts (n_parts, size).
extern "C" __global__ void add_to(double* total, const REAL* parts, int n_parts, long long size, int begins) {
  const long long step = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += step) {
    double sum = begins ? 0 : total[i];
    for (int p = 0; p < n_parts; ++p) sum += parts[p * size + i];
    total[i] = sum;
  }
}

constexpr int SIDE = 64, CHUNK = 32, THREADS = 256;  // a block's square of the gram, and the rows that it stages
constexpr int STEP = 16, OWN = SIDE / STEP;  // a thread's entries of the square are STEP apart, OWN x OWN

using Staged = double[SIDE][CHUNK + 1];  // one more, so that a row's columns lie in different banks

// Rows `row` to `last`, CHUNK at most, of SIDE entries from `first` on; what is not there becomes zero.
__device__ __forceinline__ void stage(Staged& room, const REAL* V, long long ld,
                                      const double* weights, int row, int last, int first, int k) {
  for (int e = threadIdx.x; e < SIDE * CHUNK; e += THREADS) {
    const int j = e / CHUNK, i = e % CHUNK;  // neighbouring threads read neighbouring rows
    double value = 0;
    if (first + j < k && row + i < last) {
      value = V[(first + j) * ld + row + i];
      if (weights) value *= weights[row + i];
    }
    room[j][i] = value;
  }
}

// USED x USED of the thread's entries: what lies past a small rank would be zeros, and most of the work.
template <int USED>
__device__ __forceinline__ void add_products(const Staged& left, const Staged& right, double (&sums)[OWN][OWN]) {
  const int own_i = threadIdx.x / STEP, own_j = threadIdx.x % STEP;
#pragma unroll 4
  for (int r = 0; r < CHUNK; ++r) {
    double some[USED];
#pragma unroll
    for (int b = 0; b < USED; ++b) some[b] = right[own_j + b * STEP][r];
#pragma unroll
    for (int a = 0; a < USED; ++a) {
      const double value = left[own_i + a * STEP][r];
#pragma unroll
      for (int b = 0; b < USED; ++b) sums[a][b] += value * some[b];
    }
  }
}

// grid (slabs of rows, squares, squares); partials (slabs, k, k) become (begins), or grow by, the grams of each slab.
extern "C" __global__ void __launch_bounds__(THREADS)
    gram(const REAL* __restrict__ V, long long ld, const double* __restrict__ weights, int n, int k, int slab,
         double* __restrict__ partials, int begins) {
  __shared__ Staged left, right;
  const int first_i = blockIdx.y * SIDE, first_j = blockIdx.z * SIDE;
  const int start = blockIdx.x * slab, last = n - start < slab ? n : start + slab;
  double sums[OWN][OWN] = {};
  for (int row = start; row < last; row += CHUNK) {
    __syncthreads();
    stage(left, V, ld, weights, row, last, first_i, k);
    stage(right, V, ld, nullptr, row, last, first_j, k);
    __syncthreads();
    if (k <= STEP) {
      add_products<1>(left, right, sums);
    } else if (k <= 2 * STEP) {
      add_products<2>(left, right, sums);
    } else {
      add_products<OWN>(left, right, sums);
    }
  }
  partials += (long long)blockIdx.x * k * k;
#pragma unroll
  for (int a = 0; a < OWN; ++a) {
#pragma unroll
    for (int b = 0; b < OWN; ++b) {
      const int i = first_i + threadIdx.x / STEP + a * STEP, j = first_j + threadIdx.x % STEP + b * STEP;
      if (i < k && j < k) {
        double* own = partials + (long long)i * k + j;
        *own = begins ? sums[a][b] : *own + sums[a][b];
      }
    }
  }
}

constexpr int ENTRIES = 32, SLICES = 8;  // of a block of reduce_grams

// The sums over the slabs, and with l2 on the diagonal and rounded what a factor moves by; either may be null.
extern "C" __global__ void __launch_bounds__(ENTRIES * SLICES)
    reduce_grams(const double* __restrict__ partials, int n_slabs, int k, double l2, double* total, REAL* gram) {
  __shared__ double sums[SLICES][ENTRIES];
  const int lane = threadIdx.x % ENTRIES, slice = threadIdx.x / ENTRIES;
  const long long size = (long long)k * k, entry = (long long)blockIdx.x * ENTRIES + lane;
  double sum = 0;
  if (entry < size) {
    for (int s = slice; s < n_slabs; s += SLICES) sum += partials[s * size + entry];
  }
  sums[slice][lane] = sum;
  __syncthreads();
  if (slice > 0 || entry >= size) return;
  for (int s = 1; s < SLICES; ++s) sum += sums[s][lane];
  if (total) total[entry] = sum;
  if (gram) gram[entry] = REAL(entry % (k + 1) == 0 ? sum + l2 : sum);
}
