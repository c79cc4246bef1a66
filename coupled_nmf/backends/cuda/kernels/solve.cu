// Non-negative least squares from zero, a thread a row, by sweeps; what they do not solve is left to the host.
#include "rows.cuh"

constexpr int PASSES = 8;  // between two looks at whether a row is done

extern "C" __global__ void __launch_bounds__(ROWS_PER_BLOCK, 1)
    solve_rows(REAL* V, long long ld, const REAL* __restrict__ cross, long long ld_cross,
               const REAL* __restrict__ grams, int k, REAL l1, REAL tol, int max_sweeps, int n,
               const int* __restrict__ order, const int* __restrict__ gram_of_block, int* __restrict__ unsolved) {
  __shared__ __align__(16) REAL gram_room[Gram::SIZE];
  // Where the gram has a zero the entry stays zero, L1 penalty or not.
  const Gram gram(own_gram(grams, k, gram_of_block), k, REAL(0), gram_room);
  const int row = own_row(n, order);
  if (row < 0) return;
  V += row;
  cross += row;

  Row v(V, ld);
  v.each(k, [](int, REAL& entry) { entry = 0; });
  bool done = false;
  for (int sweep = 0; sweep < max_sweeps && !done; sweep += PASSES) {
    REAL farthest = 0, largest = 0;
#pragma unroll 1
    for (int pass = 0; pass < PASSES; ++pass) farthest = hals_pass(v, gram, cross, ld_cross, l1, 0);
    v.each(k, [&](int, REAL& entry) {
      if (entry > largest) largest = entry;
    });
    done = !(farthest > tol * largest);
  }
  v.each(k, [&](int j, REAL& entry) { V[j * ld] = entry; });
  unsolved[row] = !done;
}
