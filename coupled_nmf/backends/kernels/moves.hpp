// How one entry of a factor moves, given gram and cross: written once, for a thread's number on the GPU and for vectors
// of numbers on the CPU (`Number` is either). What is compared gives a mask there, which chooses lane by lane.
//
// NaN stays NaN: each comparison is written so.
#pragma once

#if defined(__CUDACC__) || defined(__device__)  // or what the tests make of it
#define EVERYWHERE __device__ __forceinline__
#else
#include <cmath>
#define EVERYWHERE inline __attribute__((always_inline))
#endif

namespace moves {

#if !defined(__CUDACC__) && !defined(__device__)
using std::sqrt;
#endif

// What a step of coordinate descent is multiplied by: 1 / diagonal, or where that is zero, or so near that its inverse
// would be none, another number.
template <class Real>
EVERYWHERE Real scale_of(Real diagonal, Real where_zero) {
  return diagonal >= (sizeof(Real) == 4 ? Real(1e-37) : Real(1e-300)) ? 1 / diagonal : where_zero;
}

// HALS (Cichocki et al. 2007): the least of a parabola along one entry; `residual` is cross − l1 − gram·v.
template <class Number, class Real>
EVERYWHERE Number hals(Number old, Number residual, Real scale, Real smallest) {
  const Number moved = old + residual * scale;
  return moved <= smallest ? Number{} : moved;
}

// The multiplicative update (Lee and Seung 2001): `denominator` is gram·v + l1 + smallest.
template <class Number, class Real>
EVERYWHERE Number multiplicative(Number old, Number cross, Number denominator, Real smallest) {
  const Number moved = old * cross / denominator;
  return moved < smallest ? Number{} : moved;
}

// What a factor of an entry makes of it.
template <class Number, class Real>
EVERYWHERE Number multiplied(Number old, Number by, Real smallest) {
  const Number moved = old * by;
  return moved < smallest ? Number{} : moved;
}

// The v s + l2 v² = a of a multiplicative update with an L2 penalty is solved by a / that of p = l2 a.
EVERYWHERE double mean_root(double linear, double part) { return (linear + sqrt(linear * linear + 4 * part)) / 2; }

// A penalty on a block of H as it enters H's move, and as it is in J.
struct BlockPenalty {
  double l1, l2, l1_of_J, l2_of_J;
};

// An entry of H under Kullback–Leibler: the v with v (linear + l2 v) = part; what divides is `least` at least.
template <class Real>
EVERYWHERE Real divided(double part, double linear, double l2, Real smallest, double least) {
  double divisor = l2 > 0 ? mean_root(linear, l2 * part) : linear;
  divisor = divisor < least ? least : divisor;
  const double moved = part / divisor;
  return moved < double(smallest) ? Real(0) : Real(moved);
}

// A point further on the way from `before` to `now` (Ang and Gillis 2019), not below zero.
template <class Number, class Real>
EVERYWHERE Number extrapolated(Number now, Number before, Real beta) {
  const Number point = now + beta * (now - before);
  return point < Number{} ? Number{} : point;
}

constexpr double FALLS = 0.75;  // how far they go on beside rises: never far from the better of a half and the whole

// The same for multiplicative updates, which never leave zero: a fall goes on in 1/v. Rises alone go on in Hien, Leplat
// and Gillis (2024).
template <class Number, class Real>
EVERYWHERE Number extrapolated_above_zero(Number now, Number before, Real beta) {
  const Number step = now - before;
  const Number fallen = now / (1 + Real(FALLS) * beta * (1 - now / before));
  return step < Number{} ? fallen : now + beta * step;
}

// An entry's part of v·gram·v − 2 v·(cross − l1), which a move lowers; `gradient` is cross − gram·v.
template <class Real>
EVERYWHERE double energy(Real value, Real cross, Real gradient, Real l1) {
  return -double(value) * (double(cross) + double(gradient) - 2 * double(l1));
}

// What the penalties on an entry add to J.
template <class Real>
EVERYWHERE double penalty(double weighted, Real value, double l1, double l2) {
  return weighted * (2 * l1 + l2 * double(value));
}

}  // namespace moves
