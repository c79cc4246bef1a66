// The Kullback–Leibler loss: quotients x / (F H) in the place of x, and the moves of both factors by them. The entries
// of a factor move each by itself, so a thread has one of them, and a block of threads those of one component.
#include "block_sum.cuh"
#include "control.cuh"
#include "moves.hpp"

constexpr int THREADS = 256, ROW_THREADS = 128;

// fmax would lose NaN.
template <typename T>
__device__ __forceinline__ T at_least(T value, T least) {
  return value < least ? least : value;
}

// `found` holds F H and becomes x / (F H): 1 where x is NaN, 0 in blocks that the row lacks (nullable: none). losses
// (rows; nullable) = (begins) or += 2 w Σ α (x log(x / fh) - x + fh) over what is there. A block of threads a row of
// one part of X, in which blocks lie from an edge to the next; absent's rows are `n_absent` apart.
extern "C" __global__ void __launch_bounds__(ROW_THREADS)
    quotients(const double* control, const REAL* __restrict__ x, long long ld, REAL* __restrict__ found,
              long long ld_found, const int* __restrict__ edges, int n_blocks, const unsigned char* __restrict__ absent,
              int n_absent, const double* __restrict__ alpha, const double* __restrict__ weights,
              double* __restrict__ losses, int begins) {
  if (is_done(control)) return;
  const int row = blockIdx.x;
  x += row * ld;
  found += row * ld_found;
  double sums[1] = {};
  for (int block = 0; block < n_blocks; ++block) {
    const bool lacks = absent && absent[(long long)row * n_absent + block];
    double loss = 0;
    for (int c = edges[block] + threadIdx.x; c < edges[block + 1]; c += ROW_THREADS) {
      if (lacks) {
        found[c] = 0;
        continue;
      }
      const REAL value = x[c], product = found[c];
      const REAL quotient = isnan(value) ? REAL(1) : value / at_least(product, REAL(LOWEST));
      found[c] = quotient;
      if (losses && !isnan(value)) {
        loss += product;
        if (value > 0 && quotient > 0) loss += value * (log(double(quotient)) - 1);  // which may underflow
      }
    }
    sums[0] += alpha[block] * loss;
  }
  if (!losses) return;
  const double total = 2 * (weights ? weights[row] : 1.0) * sum_over_block<ROW_THREADS>(sums);
  if (threadIdx.x == 0) losses[row] = begins ? total : losses[row] + total;
}

// v = v cross / divisor for rows of F: grid (blocks of rows, k). sums (n_patterns, k) are Σ α H over the blocks that
// rows of a pattern have; without `pattern` there is one.
extern "C" __global__ void __launch_bounds__(THREADS)
    divide_by_sums(const double* control, REAL* __restrict__ V, long long ld, const REAL* __restrict__ cross,
                   long long ld_cross, const double* __restrict__ sums, const int* __restrict__ pattern, REAL l1,
                   REAL l2, int rows) {
  if (is_done(control)) return;
  const int row = blockIdx.x * THREADS + threadIdx.x, j = blockIdx.y, k = gridDim.y;
  if (row >= rows) return;
  const double value = V[j * ld + row], by = cross[j * ld_cross + row];
  REAL divisor = REAL(sums[(pattern ? (long long)pattern[row] * k : 0) + j]) + l1;
  if (l2 > 0) divisor = REAL(moves::mean_root(divisor, double(l2) * value * by));
  V[j * ld + row] = REAL(moves::multiplied(value, by / at_least(double(divisor), double(SMALLEST)), double(SMALLEST)));
}

// Sums over slabs of the rows of F: grid (slabs, k, sets), where the rows of a set are those that have one block, or
// without `absent` (rows, sets) all. table (sets k + k + 1, n_table) gets w v of each set and component, what each
// component adds to J by the penalties, and the rows' losses; weighted (k, rows; nullable) gets w v.
extern "C" __global__ void __launch_bounds__(THREADS)
    sum_rows(const double* control, const REAL* __restrict__ V, long long ld, int rows, int slab,
             const double* __restrict__ weights, const unsigned char* __restrict__ absent,
             const double* __restrict__ losses, REAL l1, REAL l2, REAL* __restrict__ weighted, long long ld_weighted,
             double* __restrict__ table, long long n_table) {
  if (is_done(control)) return;
  const int j = blockIdx.y, k = gridDim.y, set = blockIdx.z, n_sets = gridDim.z;
  const int first = blockIdx.x * slab, last = rows - first < slab ? rows : first + slab;
  double sums[3] = {};
  for (int row = first + threadIdx.x; row < last; row += THREADS) {
    const REAL value = V[j * ld + row], some = weights ? weigh(value, weights[row]) : value;
    if (!absent || !absent[(long long)row * n_sets + set]) sums[0] += some;
    if (set > 0) continue;
    if (weighted) weighted[j * ld_weighted + row] = some;
    sums[1] += some * (2 * double(l1) + double(l2) * value);
    if (j == 0) sums[2] += losses[row];
  }
  const double total = sum_over_block<THREADS>(sums);
  table += blockIdx.x;
  if (threadIdx.x == 0) table[(set * k + j) * n_table] = total;
  if (threadIdx.x == 1 && set == 0) table[(n_sets * k + j) * n_table] = total;
  if (threadIdx.x == 2 && set == 0 && j == 0) table[(n_sets * k + k) * n_table] = total;
}

// The sums of the rows of a table, a block of threads each.
extern "C" __global__ void __launch_bounds__(THREADS)
    add_up(const double* __restrict__ table, int n, double* __restrict__ totals) {
  table += (long long)blockIdx.x * n;
  double sums[1] = {};
  for (int i = threadIdx.x; i < n; i += THREADS) sums[0] += table[i];
  const double total = sum_over_block<THREADS>(sums);
  if (threadIdx.x == 0) totals[blockIdx.x] = total;
}

struct Slab {
  int first, last, block;  // columns, all of one block
};

// H moves from `point` (k, n), which is extrapolated, to the other of a pair, but for its first `fixed` rows; the point
// becomes that further on, `weighted` that times α, and sums (slabs, k) what it sums to: grid (slabs, k). Fsums are ΣF
// of block b from step * b on. costs (slabs, k; nullable) is what the H that it moves from adds to J by the penalties.
//
// Without FtQ (k, n) nothing moves, and the point becomes the held H itself: always, or with control after a rejection.
extern "C" __global__ void __launch_bounds__(THREADS)
    move_components(const double* control, REAL* first, REAL* second, long long ld, const double* __restrict__ FtQ,
                    const double* __restrict__ Fsums, int step, int fixed, const Slab* __restrict__ slabs,
                    const moves::BlockPenalty* __restrict__ penalties, const double* __restrict__ alpha, int n,
                    REAL* __restrict__ point, REAL* __restrict__ weighted, double* __restrict__ sums_of_slabs,
                    double* __restrict__ costs) {
  if (is_done(control) || (!FtQ && control && control[REJECTED] == 0)) return;
  const int j = blockIdx.y, k = gridDim.y;
  const Slab slab = slabs[blockIdx.x];
  const moves::BlockPenalty penalty = penalties[slab.block];
  const REAL* held = (is_flipped(control) ? second : first) + j * ld;
  REAL* other = (is_flipped(control) ? first : second) + j * ld;
  const long long row = (long long)j * n;
  point += row;
  weighted += row;
  if (FtQ) FtQ += row;
  const double linear = FtQ ? Fsums[slab.block * step + j] + penalty.l1 : 0.0;
  const REAL beta = beta_of(control, NEXT_BETA);
  double sums[2] = {};
  for (int c = slab.first + threadIdx.x; c < slab.last; c += THREADS) {
    const REAL before = held[c];
    REAL value = FtQ ? point[c] : before;
    sums[1] += value * (2 * penalty.l1_of_J + penalty.l2_of_J * value);
    if (FtQ) {
      value = moves::divided(FtQ[c] * value, linear, penalty.l2, REAL(SMALLEST), SMALLEST_DOUBLE);
      if (j < fixed) value = before;
      other[c] = value;
      if (beta > 0) value = moves::extrapolated_above_zero(value, before, beta);
    }
    point[c] = value;
    weighted[c] = weigh(value, alpha[slab.block]);
    sums[0] += value;
  }
  const double total = sum_over_block<THREADS>(sums);
  if (threadIdx.x == 0) sums_of_slabs[blockIdx.x * k + j] = total;
  if (threadIdx.x == 1 && costs) costs[blockIdx.x * k + j] = total;
}
