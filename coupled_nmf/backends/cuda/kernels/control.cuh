// The state of the loop, an array of doubles on the device, so that the host need not look at J after each iteration.
// Python reads the names and their places from here.
#pragma once

enum Control {
  COUNT = 0,  // iterations done
  BETA = 1,
  CEILING = 2,
  GOOD = 3,
  LAST_BETA = 4,
  NEXT_BETA = 5,
  REJECTED = 6,
  FLIPPED = 7,  // whether the second of a pair of factors is the one that is held
  DONE = 8,  // 0: running, 1: settled, 2: J is not finite
  EXTRAPOLATED = 9,
  GROWTH = 10,
  CEILING_GROWTH = 11,
  CUT = 12,
  TOL = 13,
  WINDOW = 14,
  FLOOR = 15,
  N_CONTROL = 16,
};

// Without control there is one iteration: the first factor of a pair is held, and nothing is extrapolated.

// The same for every thread, so a kernel may return by it in front of a barrier.
__device__ __forceinline__ bool is_done(const double* control) { return control && control[DONE] != 0; }

__device__ __forceinline__ bool is_flipped(const double* control) { return control && control[FLIPPED] != 0; }

__device__ __forceinline__ REAL beta_of(const double* control, Control which) {
  return control ? REAL(control[which]) : REAL(0);
}

// As NumPy multiplies a number by a weight in double.
__device__ __forceinline__ REAL weigh(REAL value, double weight) { return REAL(value * weight); }
