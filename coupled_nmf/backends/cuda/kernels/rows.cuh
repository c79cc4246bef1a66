// A thread's row of a factor, the gram that it moves by, and coordinate descent: what `move` and `solve` share.
//
// WIDTH > 0 bounds the rank: the row lies in registers, and the gram in shared memory, padded with zeros. WIDTH == 0
// takes any rank, and leaves both where they are.
#pragma once
#include "moves.hpp"

// And threads. That a kernel with such blocks bounds their number by 1 keeps the compiler from spilling registers for
// the sake of more of them.
constexpr int ROWS_PER_BLOCK = 64;

// Which row of the factor is this thread's: -1 is none.
__device__ __forceinline__ int own_row(int n, const int* order) {
  const int place = blockIdx.x * ROWS_PER_BLOCK + threadIdx.x;
  return place >= n ? -1 : order ? order[place] : place;
}

__device__ __forceinline__ const REAL* own_gram(const REAL* grams, int k, const int* gram_of_block) {
  return gram_of_block ? grams + (long long)gram_of_block[blockIdx.x] * k * k : grams;
}

#if WIDTH > 0

// Registers have no index at run time, and WIDTH x WIDTH unrolled products would be more code than the caches of
// instructions hold. So the row is turned: the entries that are visited are always the first GROUP ones, and once all
// were, each lies where it lay.
constexpr int GROUP = 8;  // WIDTH is a multiple

struct Row {
  REAL entries[WIDTH] = {};

  __device__ __forceinline__ Row(REAL*, long long) {}

  // visit(j, entry j) for each j < k in turn.
  template <typename Visit>
  __device__ __forceinline__ void each(int k, Visit visit) {
#pragma unroll 1
    for (int first = 0; first < WIDTH; first += GROUP) {
#pragma unroll
      for (int i = 0; i < GROUP; ++i) {
        if (first + i < k) visit(first + i, entries[i]);
      }
      REAL visited[GROUP];
#pragma unroll
      for (int i = 0; i < GROUP; ++i) visited[i] = entries[i];
#pragma unroll
      for (int i = 0; i < WIDTH; ++i) entries[i] = i < WIDTH - GROUP ? entries[i + GROUP] : visited[i % GROUP];
    }
  }
};

struct Gram {
  static constexpr int SIZE = WIDTH * (WIDTH + 1);  // the scales follow the rows, which are turned as `each` turns
  const REAL* rows;
  int k;

  // Every thread of the block must come here.
  __device__ __forceinline__ Gram(const REAL* gram, int k, REAL where_zero, REAL* room) : rows(room), k(k) {
    for (int e = threadIdx.x; e < WIDTH * WIDTH; e += ROWS_PER_BLOCK) {
      const int j = e / WIDTH, i = (e + j / GROUP * GROUP) % WIDTH;
      room[e] = j < k && i < k ? gram[j * k + i] : REAL(0);
    }
    for (int j = threadIdx.x; j < k; j += ROWS_PER_BLOCK)
      room[WIDTH * WIDTH + j] = moves::scale_of(gram[j * k + j], where_zero);
    __syncthreads();
  }

  __device__ __forceinline__ REAL scale(int j) const { return rows[WIDTH * WIDTH + j]; }

  // Row j times v, while entry j is visited. Four sums, since one alone would wait for itself.
  __device__ __forceinline__ REAL dot(int j, const Row& v) const {
    REAL sums[4] = {};
#pragma unroll
    for (int i = 0; i < WIDTH; i += 4) {
#pragma unroll
      for (int lane = 0; lane < 4; ++lane) sums[lane] += rows[j * WIDTH + i + lane] * v.entries[i + lane];
    }
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }
};

#else

struct Row {
  REAL* entries;
  long long ld;

  __device__ __forceinline__ Row(REAL* destination, long long ld) : entries(destination), ld(ld) {}

  template <typename Visit>
  __device__ __forceinline__ void each(int k, Visit visit) {
    for (int j = 0; j < k; ++j) visit(j, entries[j * ld]);
  }
};

struct Gram {
  static constexpr int SIZE = 1;
  const REAL* rows;
  int k;
  REAL where_zero;

  __device__ __forceinline__ Gram(const REAL* gram, int k, REAL where_zero, REAL*)
      : rows(gram), k(k), where_zero(where_zero) {}

  __device__ __forceinline__ REAL scale(int j) const { return moves::scale_of(rows[(long long)j * (k + 1)], where_zero); }

  __device__ __forceinline__ REAL dot(int j, const Row& v) const {
    REAL sum = 0;
    for (int i = 0; i < k; ++i) sum += rows[(long long)j * k + i] * v.entries[i * v.ld];
    return sum;
  }
};

#endif

// Minimize over one entry of the row after the other, but the first `fixed`; return how far the one went that went
// farthest.
template <typename Cross>
__device__ __forceinline__ REAL hals_pass(Row& v, const Gram& gram, const Cross* cross, long long ld_cross, REAL l1,
                                          int fixed) {
  REAL farthest = 0;
  Cross next = cross[0];
  v.each(gram.k, [&](int j, REAL& entry) {
    const REAL now = REAL(next), old = entry;
    if (j + 1 < gram.k) next = cross[(j + 1) * ld_cross];  // is on its way while this entry is worked on
    if (j < fixed) return;
    entry = moves::hals(old, now - l1 - gram.dot(j, v), gram.scale(j), REAL(SMALLEST));
    const REAL far = entry < old ? old - entry : entry - old;
    if (far > farthest) farthest = far;
  });
  return farthest;
}
