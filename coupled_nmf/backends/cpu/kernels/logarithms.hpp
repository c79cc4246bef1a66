// Natural logarithms of whole vectors, to rounding: by the series of (m − 1) / (m + 1), as Sun's fdlibm has it.
#pragma once
#include "lanes.hpp"

namespace coupled_nmf::INSTRUCTIONS {

template <class T>
struct LogNumbers;

template <>
struct LogNumbers<float> {
  static constexpr int mantissa = 23;
  static constexpr std::int32_t root_half = 0x3f3504f3;                      // bits of √½
  static constexpr float high = 6.9313812256e-01f, low = 9.0580006145e-06f;  // of log 2
  static constexpr int n_terms = 4;
  static constexpr float series[] = {0.66666662693f, 0.40000972152f, 0.28498786688f, 0.24279078841f};
};

template <>
struct LogNumbers<double> {
  static constexpr int mantissa = 52;
  static constexpr std::int64_t root_half = 0x3fe6a09e667f3bcd;
  static constexpr double high = 6.93147180369123816490e-01, low = 1.90821492927058770002e-10;
  static constexpr int n_terms = 7;
  static constexpr double series[] = {6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01,
                                      2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01,
                                      1.479819860511658591e-01};
};

// Of numbers above 0; of those too small to be normal it is that of the smallest, about.
template <class T>
INLINE typename Lanes<T>::Vector log_of(typename Lanes<T>::Vector x) {
  using V = typename Lanes<T>::Vector;
  using W = typename Lanes<T>::Whole;
  using N = LogNumbers<T>;
  const W bits = (W)x, power = (bits - N::root_half) >> N::mantissa;
  const V f = (V)(bits - (power << N::mantissa)) - 1;  // from √½ − 1 to √2 − 1
  const V s = f / (f + 2), square = s * s;
  V sum = V{} + N::series[N::n_terms - 1];
#pragma GCC unroll 8
  for (int i = N::n_terms - 2; i >= 0; --i) sum = sum * square + N::series[i];
  const V half = f * f * T(0.5), times = __builtin_convertvector(power, V);
  return times * N::high - ((half - (s * (half + square * sum) + times * N::low)) - f);
}

}  // namespace coupled_nmf::INSTRUCTIONS
