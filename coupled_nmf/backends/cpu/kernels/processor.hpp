// What this processor, and its operating system, can run.
//
// Asked of the processor itself: of __builtin_cpu_supports Zig's runtime library says no to everything, and clang-cl
// finds none.
#pragma once
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace coupled_nmf {

struct Processor {
  bool avx2 = false, avx512 = false;
};

inline Processor this_processor() {
  Processor found;
#if defined(__x86_64__)
  unsigned a, b, c, d, kept, high;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return found;
  __asm__ volatile("xgetbv" : "=a"(kept), "=d"(high) : "c"(0));  // the registers that the operating system keeps
  const bool has_fma = c & bit_FMA;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return found;
  constexpr unsigned ALL = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
  found.avx2 = has_fma && (b & bit_AVX2) && (kept & 0x06) == 0x06;
  found.avx512 = found.avx2 && (b & ALL) == ALL && (kept & 0xe6) == 0xe6;
#endif
  return found;
}

}  // namespace coupled_nmf
