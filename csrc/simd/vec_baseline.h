// Back end of vec.h: 16-byte vectors, SSE2 on x86-64. No FMA: products are rounded before the sum.
#ifdef __SSE2__
#include <emmintrin.h>

#define NNF_HAS_SQRT
#define NNF_HAS_MUL_U32
#define NNF_HAS_WIDEN
#define NNF_HAS_STREAM
#define NNF_HAS_BOOLS

namespace nnf {
namespace {

NNF_INLINE vf32 sqrt(vf32 a) { return (vf32)_mm_sqrt_ps((__m128)a); }
NNF_INLINE vf64 sqrt(vf64 a) { return (vf64)_mm_sqrt_pd((__m128d)a); }
NNF_INLINE vi64 mul_u32(vi64 a, vi64 b) { return (vi64)_mm_mul_epu32((__m128i)a, (__m128i)b); }
NNF_INLINE vf32 lesser(vf32 a, vf32 b) { return (vf32)_mm_min_ps((__m128)a, (__m128)b); }
NNF_INLINE vf64 lesser(vf64 a, vf64 b) { return (vf64)_mm_min_pd((__m128d)a, (__m128d)b); }
NNF_INLINE vf32 greater(vf32 a, vf32 b) { return (vf32)_mm_max_ps((__m128)a, (__m128)b); }
NNF_INLINE vf64 greater(vf64 a, vf64 b) { return (vf64)_mm_max_pd((__m128d)a, (__m128d)b); }

NNF_INLINE vf64 widen_low(vf32 a) { return (vf64)_mm_cvtps_pd((__m128)a); }
NNF_INLINE vf64 widen_high(vf32 a) {
  return (vf64)_mm_cvtps_pd(_mm_movehl_ps((__m128)a, (__m128)a));
}
NNF_INLINE vf32 narrow(vf64 low, vf64 high) {
  return (vf32)_mm_movelh_ps(_mm_cvtpd_ps((__m128d)low), _mm_cvtpd_ps((__m128d)high));
}

NNF_INLINE void backend_stream(void* p, vi32 v) { _mm_stream_si128((__m128i*)p, (__m128i)v); }
NNF_INLINE void backend_stream_fence() { _mm_sfence(); }

NNF_INLINE void backend_load_bools(const uint8_t* p, vi32* m) {
  int bytes;
  __builtin_memcpy(&bytes, p, sizeof bytes);
  const __m128i zero = _mm_setzero_si128();
  *m = -(vi32)_mm_unpacklo_epi16(_mm_unpacklo_epi8(_mm_cvtsi32_si128(bytes), zero), zero);
}
NNF_INLINE void backend_load_bools(const uint8_t* p, vi64* m) { *m = vi64{-p[0], -p[1]}; }
NNF_INLINE void backend_store_bools(uint8_t* p, vi32 m) {
  const __m128i words = _mm_packs_epi32((__m128i)m, (__m128i)m);
  const int bytes =
      _mm_cvtsi128_si32(_mm_and_si128(_mm_packs_epi16(words, words), _mm_set1_epi8(1)));
  __builtin_memcpy(p, &bytes, sizeof bytes);
}
NNF_INLINE void backend_store_bools(uint8_t* p, vi64 m) {
  for (int i = 0; i < 2; ++i) p[i] = uint8_t(m[i] & 1);
}

}  // namespace
}  // namespace nnf
#endif
