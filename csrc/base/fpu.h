// Denormals are flushed to zero inside kernels, and only there: they cost up to 100 times the
// time of normal numbers, and the caller's own arithmetic must not change.
#pragma once

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif
#include <cstdint>

namespace nnf {

class FlushDenormals {
 public:
#if defined(__SSE2__)
  FlushDenormals() : saved_(_mm_getcsr()) {
    if ((saved_ & kFlags) != kFlags) _mm_setcsr(saved_ | kFlags);
  }
  ~FlushDenormals() {
    if ((saved_ & kFlags) != kFlags) _mm_setcsr(saved_);
  }

 private:
  static constexpr unsigned kFlags = 0x8040;  // FTZ | DAZ
  unsigned saved_;
#elif defined(__aarch64__)
  FlushDenormals() {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" ::"r"(saved_ | (uint64_t(1) << 24)));  // FZ
  }
  ~FlushDenormals() { asm volatile("msr fpcr, %0" ::"r"(saved_)); }

 private:
  uint64_t saved_;
#endif
 public:
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;
};

}  // namespace nnf
