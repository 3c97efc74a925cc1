// Back end of vec.h: 16-byte vectors, SSE2 on x86-64. No FMA: products are rounded before the sum.
#ifdef __SSE2__
#include <emmintrin.h>

#define NNF_HAS_SQRT
#define NNF_HAS_MUL_U32

namespace nnf {
namespace {

NNF_INLINE vf32 sqrt(vf32 a) { return (vf32)_mm_sqrt_ps((__m128)a); }
NNF_INLINE vf64 sqrt(vf64 a) { return (vf64)_mm_sqrt_pd((__m128d)a); }
NNF_INLINE vi64 mul_u32(vi64 a, vi64 b) { return (vi64)_mm_mul_epu32((__m128i)a, (__m128i)b); }

}  // namespace
}  // namespace nnf
#endif
