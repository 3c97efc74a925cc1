// Denormals are flushed to zero inside kernels, and only there: they cost up to 100 times the
// time of normal numbers, and the caller's own arithmetic must not change.
#pragma once

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif
#include <cstdint>

namespace nnf {

// The register that controls floating-point arithmetic, and its bits that flush denormals.
#if defined(__SSE2__)
constexpr uint64_t kFlushBits = 0x8040;  // FTZ: results; DAZ: operands
inline uint64_t fp_control() { return _mm_getcsr(); }
inline void set_fp_control(uint64_t x) { _mm_setcsr(unsigned(x)); }
#elif defined(__aarch64__)
constexpr uint64_t kFlushBits = 1 << 24;  // FZ: both
inline uint64_t fp_control() {
  uint64_t x;
  asm volatile("mrs %0, fpcr" : "=r"(x));
  return x;
}
inline void set_fp_control(uint64_t x) { asm volatile("msr fpcr, %0" ::"r"(x)); }
#else
constexpr uint64_t kFlushBits = 0;
inline uint64_t fp_control() { return 0; }
inline void set_fp_control(uint64_t) {}
#endif

class FlushDenormals {
 public:
  FlushDenormals() : saved_(fp_control()) {
    if (changes()) set_fp_control(saved_ | kFlushBits);
  }
  ~FlushDenormals() {
    if (changes()) set_fp_control(saved_);
  }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  bool changes() const { return (saved_ & kFlushBits) != kFlushBits; }
  uint64_t saved_;
};

}  // namespace nnf
