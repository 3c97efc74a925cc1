// Back end of vec.h: 32-byte vectors, AVX2 with FMA.
#include <immintrin.h>

#define NNF_HAS_FMA
#define NNF_HAS_SQRT
#define NNF_HAS_MUL_U32
#define NNF_HAS_WIDEN
#define NNF_HAS_STREAM
#define NNF_HAS_BOOLS
#define NNF_HAS_MASKED_MEMORY
#define NNF_HAS_ROUNDING
#define NNF_HAS_ANY

namespace nnf {
namespace {

NNF_INLINE vf32 fma(vf32 a, vf32 b, vf32 c) {
  return (vf32)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
NNF_INLINE vf64 fma(vf64 a, vf64 b, vf64 c) {
  return (vf64)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}
NNF_INLINE vf32 sqrt(vf32 a) { return (vf32)_mm256_sqrt_ps((__m256)a); }
NNF_INLINE vf64 sqrt(vf64 a) { return (vf64)_mm256_sqrt_pd((__m256d)a); }
NNF_INLINE vi64 mul_u32(vi64 a, vi64 b) { return (vi64)_mm256_mul_epu32((__m256i)a, (__m256i)b); }
NNF_INLINE vf32 lesser(vf32 a, vf32 b) { return (vf32)_mm256_min_ps((__m256)a, (__m256)b); }
NNF_INLINE vf64 lesser(vf64 a, vf64 b) { return (vf64)_mm256_min_pd((__m256d)a, (__m256d)b); }
NNF_INLINE vf32 greater(vf32 a, vf32 b) { return (vf32)_mm256_max_ps((__m256)a, (__m256)b); }
NNF_INLINE vf64 greater(vf64 a, vf64 b) { return (vf64)_mm256_max_pd((__m256d)a, (__m256d)b); }

#define NNF_ROUNDING(name, mode)                                          \
  NNF_INLINE vf32 name(vf32 a) {                                          \
    return (vf32)_mm256_round_ps((__m256)a, (mode) | _MM_FROUND_NO_EXC);  \
  }                                                                       \
  NNF_INLINE vf64 name(vf64 a) {                                          \
    return (vf64)_mm256_round_pd((__m256d)a, (mode) | _MM_FROUND_NO_EXC); \
  }
NNF_ROUNDING(nearest, _MM_FROUND_TO_NEAREST_INT)
NNF_ROUNDING(floor, _MM_FROUND_TO_NEG_INF)
NNF_ROUNDING(ceil, _MM_FROUND_TO_POS_INF)
NNF_ROUNDING(trunc, _MM_FROUND_TO_ZERO)
#undef NNF_ROUNDING

template <class M>
NNF_INLINE bool any(M m) {
  return !_mm256_testz_si256((__m256i)m, (__m256i)m);
}

NNF_INLINE vf64 widen_low(vf32 a) {
  return (vf64)_mm256_cvtps_pd(_mm256_castps256_ps128((__m256)a));
}
NNF_INLINE vf64 widen_high(vf32 a) {
  return (vf64)_mm256_cvtps_pd(_mm256_extractf128_ps((__m256)a, 1));
}
NNF_INLINE vf32 narrow(vf64 low, vf64 high) {
  return (vf32)_mm256_set_m128(_mm256_cvtpd_ps((__m256d)high), _mm256_cvtpd_ps((__m256d)low));
}

NNF_INLINE __m256i first_n(const float*, int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
NNF_INLINE __m256i first_n(const double*, int n) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}

NNF_INLINE vf32 backend_load_n(const float* p, int n, vf32 fill) {
  __m256i m = first_n(p, n);
  return (vf32)_mm256_blendv_ps((__m256)fill, _mm256_maskload_ps(p, m), _mm256_castsi256_ps(m));
}
NNF_INLINE vf64 backend_load_n(const double* p, int n, vf64 fill) {
  __m256i m = first_n(p, n);
  return (vf64)_mm256_blendv_pd((__m256d)fill, _mm256_maskload_pd(p, m), _mm256_castsi256_pd(m));
}
NNF_INLINE vi64 backend_load_n(const int64_t* p, int n, vi64 fill) {
  return (vi64)backend_load_n((const double*)p, n, (vf64)fill);
}
NNF_INLINE void backend_store_n(float* p, vf32 v, int n) {
  _mm256_maskstore_ps(p, first_n(p, n), (__m256)v);
}
NNF_INLINE void backend_store_n(double* p, vf64 v, int n) {
  _mm256_maskstore_pd(p, first_n(p, n), (__m256d)v);
}
NNF_INLINE void backend_store_n(int64_t* p, vi64 v, int n) {
  _mm256_maskstore_pd((double*)p, first_n((double*)p, n), (__m256d)v);
}

NNF_INLINE void backend_stream(void* p, vi32 v) { _mm256_stream_si256((__m256i*)p, (__m256i)v); }
NNF_INLINE void backend_stream_fence() { _mm_sfence(); }

NNF_INLINE void backend_load_bools(const uint8_t* p, vi32* m) {
  *m = -(vi32)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p));
}
NNF_INLINE void backend_load_bools(const uint8_t* p, vi64* m) {
  int bytes;
  __builtin_memcpy(&bytes, p, sizeof bytes);
  *m = -(vi64)_mm256_cvtepu8_epi64(_mm_cvtsi32_si128(bytes));
}
// 32-bit lanes of -1 or 0 to bytes of 1 or 0.
NNF_INLINE __m128i bools_of(__m128i low, __m128i high) {
  const __m128i words = _mm_packs_epi32(low, high);
  return _mm_and_si128(_mm_packs_epi16(words, words), _mm_set1_epi8(1));
}
NNF_INLINE void backend_store_bools(uint8_t* p, vi32 m) {
  const __m256i v = (__m256i)m;
  const __m128i b = bools_of(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  _mm_storel_epi64((__m128i*)p, b);
}
NNF_INLINE void backend_store_bools(uint8_t* p, vi64 m) {
  const __m256i v = (__m256i)m;
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  const int bytes = _mm_cvtsi128_si32(bools_of(words, words));
  __builtin_memcpy(p, &bytes, sizeof bytes);
}

}  // namespace
}  // namespace nnf
