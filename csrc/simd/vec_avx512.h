// Back end of vec.h: 64-byte vectors, AVX-512 F, BW, DQ and VL.
#include <immintrin.h>

#define NNF_HAS_FMA
#define NNF_HAS_SQRT
#define NNF_HAS_SCALE
#define NNF_HAS_MUL_U32
#define NNF_HAS_WIDEN
#define NNF_HAS_STREAM
#define NNF_HAS_BOOLS
#define NNF_HAS_MASKED_MEMORY
#define NNF_HAS_ROUNDING
#define NNF_HAS_ANY
#define NNF_HAS_ACROSS

namespace nnf {
namespace {

NNF_INLINE vf32 fma(vf32 a, vf32 b, vf32 c) {
  return (vf32)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
NNF_INLINE vf64 fma(vf64 a, vf64 b, vf64 c) {
  return (vf64)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}
// The maskz forms: GCC warns of an uninitialized value in the plain ones.
NNF_INLINE vf32 sqrt(vf32 a) { return (vf32)_mm512_maskz_sqrt_ps(0xffff, (__m512)a); }
NNF_INLINE vf64 sqrt(vf64 a) { return (vf64)_mm512_maskz_sqrt_pd(0xff, (__m512d)a); }
// scale: a * 2^n, n integral.
NNF_INLINE vf32 scale(vf32 a, vf32 n) {
  return (vf32)_mm512_maskz_scalef_ps(0xffff, (__m512)a, (__m512)n);
}
NNF_INLINE vf64 scale(vf64 a, vf64 n) {
  return (vf64)_mm512_maskz_scalef_pd(0xff, (__m512d)a, (__m512d)n);
}
NNF_INLINE vi64 mul_u32(vi64 a, vi64 b) {
  return (vi64)_mm512_maskz_mul_epu32(0xff, (__m512i)a, (__m512i)b);
}
NNF_INLINE vf32 lesser(vf32 a, vf32 b) {
  return (vf32)_mm512_maskz_min_ps(0xffff, (__m512)a, (__m512)b);
}
NNF_INLINE vf64 lesser(vf64 a, vf64 b) {
  return (vf64)_mm512_maskz_min_pd(0xff, (__m512d)a, (__m512d)b);
}
NNF_INLINE vf32 greater(vf32 a, vf32 b) {
  return (vf32)_mm512_maskz_max_ps(0xffff, (__m512)a, (__m512)b);
}
NNF_INLINE vf64 greater(vf64 a, vf64 b) {
  return (vf64)_mm512_maskz_max_pd(0xff, (__m512d)a, (__m512d)b);
}

#define NNF_ROUNDING(name, mode)                                                            \
  NNF_INLINE vf32 name(vf32 a) {                                                            \
    return (vf32)_mm512_maskz_roundscale_ps(0xffff, (__m512)a, (mode) | _MM_FROUND_NO_EXC); \
  }                                                                                         \
  NNF_INLINE vf64 name(vf64 a) {                                                            \
    return (vf64)_mm512_maskz_roundscale_pd(0xff, (__m512d)a, (mode) | _MM_FROUND_NO_EXC);  \
  }
NNF_ROUNDING(nearest, _MM_FROUND_TO_NEAREST_INT)
NNF_ROUNDING(floor, _MM_FROUND_TO_NEG_INF)
NNF_ROUNDING(ceil, _MM_FROUND_TO_POS_INF)
NNF_ROUNDING(trunc, _MM_FROUND_TO_ZERO)
#undef NNF_ROUNDING

template <class M>
NNF_INLINE bool any(M m) {
  return _mm512_test_epi64_mask((__m512i)m, (__m512i)m) != 0;
}

template <class T, int h>  // GCC would load the indices of a permutation
NNF_INLINE vec<T> across(vec<T> a, vec<T> b) {
  if constexpr (sizeof(T) == 4)
    return (vec<T>)_mm512_maskz_alignr_epi32(0xffff, (__m512i)b, (__m512i)a, h);
  else
    return (vec<T>)_mm512_maskz_alignr_epi64(0xff, (__m512i)b, (__m512i)a, h);
}

NNF_INLINE vf64 widen_low(vf32 a) {
  return (vf64)_mm512_maskz_cvtps_pd(0xff, _mm512_maskz_extractf32x8_ps(0xff, (__m512)a, 0));
}
NNF_INLINE vf64 widen_high(vf32 a) {
  return (vf64)_mm512_maskz_cvtps_pd(0xff, _mm512_maskz_extractf32x8_ps(0xff, (__m512)a, 1));
}
NNF_INLINE vf32 narrow(vf64 low, vf64 high) {
  __m512 l = _mm512_castps256_ps512(_mm512_maskz_cvtpd_ps(0xff, (__m512d)low));
  return (vf32)_mm512_maskz_insertf32x8(0xffff, l, _mm512_maskz_cvtpd_ps(0xff, (__m512d)high), 1);
}

NNF_INLINE unsigned first_n(int n) { return (1u << n) - 1; }

NNF_INLINE vf32 backend_load_n(const float* p, int n, vf32 fill) {
  return (vf32)_mm512_mask_loadu_ps((__m512)fill, (__mmask16)first_n(n), p);
}
NNF_INLINE vf64 backend_load_n(const double* p, int n, vf64 fill) {
  return (vf64)_mm512_mask_loadu_pd((__m512d)fill, (__mmask8)first_n(n), p);
}
NNF_INLINE vi64 backend_load_n(const int64_t* p, int n, vi64 fill) {
  return (vi64)_mm512_mask_loadu_epi64((__m512i)fill, (__mmask8)first_n(n), p);
}
NNF_INLINE void backend_store_n(float* p, vf32 v, int n) {
  _mm512_mask_storeu_ps(p, (__mmask16)first_n(n), (__m512)v);
}
NNF_INLINE void backend_store_n(double* p, vf64 v, int n) {
  _mm512_mask_storeu_pd(p, (__mmask8)first_n(n), (__m512d)v);
}
NNF_INLINE void backend_store_n(int64_t* p, vi64 v, int n) {
  _mm512_mask_storeu_epi64(p, (__mmask8)first_n(n), (__m512i)v);
}

NNF_INLINE void backend_stream(void* p, vi32 v) { _mm512_stream_si512((__m512i*)p, (__m512i)v); }
NNF_INLINE void backend_stream_fence() { _mm_sfence(); }

NNF_INLINE void backend_load_bools(const uint8_t* p, vi32* m) {
  *m = -(vi32)_mm512_maskz_cvtepu8_epi32(0xffff, _mm_loadu_si128((const __m128i*)p));
}
NNF_INLINE void backend_load_bools(const uint8_t* p, vi64* m) {
  *m = -(vi64)_mm512_maskz_cvtepu8_epi64(0xff, _mm_loadl_epi64((const __m128i*)p));
}
NNF_INLINE void backend_store_bools(uint8_t* p, vi32 m) {
  _mm_storeu_si128((__m128i*)p, _mm512_maskz_cvtepi32_epi8(0xffff, (__m512i)(m & 1)));
}
NNF_INLINE void backend_store_bools(uint8_t* p, vi64 m) {
  _mm_storel_epi64((__m128i*)p, _mm512_maskz_cvtepi64_epi8(0xff, (__m512i)(m & 1)));
}

}  // namespace
}  // namespace nnf
