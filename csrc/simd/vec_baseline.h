// Back end of vec.h: 16-byte vectors, SSE2 on x86-64. No FMA: products are rounded before the sum.
#ifdef __SSE2__
#include <emmintrin.h>

#define NNF_HAS_SQRT

namespace nnf {
namespace {

NNF_INLINE vf32 sqrt(vf32 a) { return (vf32)_mm_sqrt_ps((__m128)a); }
NNF_INLINE vf64 sqrt(vf64 a) { return (vf64)_mm_sqrt_pd((__m128d)a); }

}  // namespace
}  // namespace nnf
#endif
