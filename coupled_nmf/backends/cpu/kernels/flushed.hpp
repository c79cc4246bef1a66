// Numbers too small to be normal count as zero as long as this lives, on the thread that made it.
//
// Multiplicative updates make entries fall without end. Sums of what is left of them are such numbers, which take many
// times as long as others on most processors, and are nothing beside the rest.
#pragma once

namespace coupled_nmf {

class Flushed {
 public:
#if defined(__x86_64__)
  Flushed() : before_(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(before_ | TO_ZERO | FROM_ZERO); }
  ~Flushed() { __builtin_ia32_ldmxcsr(before_); }

 private:
  static constexpr unsigned TO_ZERO = 0x8000, FROM_ZERO = 0x0040;
  const unsigned before_;
#elif defined(__aarch64__)
  Flushed() {
    __asm__ volatile("mrs %0, fpcr" : "=r"(before_));
    __asm__ volatile("msr fpcr, %0" : : "r"(before_ | TO_ZERO));
  }
  ~Flushed() { __asm__ volatile("msr fpcr, %0" : : "r"(before_)); }

 private:
  static constexpr unsigned long TO_ZERO = 1ul << 24;
  unsigned long before_;
#else
  Flushed() {}
#endif
  Flushed(const Flushed&) = delete;
  Flushed& operator=(const Flushed&) = delete;
};

}  // namespace coupled_nmf
