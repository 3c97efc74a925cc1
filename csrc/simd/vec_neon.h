// Back end of vec.h: 16-byte vectors, NEON on AArch64.
#include <arm_neon.h>

#define NNF_HAS_FMA
#define NNF_HAS_SQRT
#define NNF_HAS_MUL_U32
#define NNF_HAS_WIDEN
#define NNF_HAS_MASKED_MEMORY
#define NNF_HAS_ROUNDING

namespace nnf {
namespace {

NNF_INLINE vf32 fma(vf32 a, vf32 b, vf32 c) {
  return (vf32)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
NNF_INLINE vf64 fma(vf64 a, vf64 b, vf64 c) {
  return (vf64)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
}
NNF_INLINE vf32 sqrt(vf32 a) { return (vf32)vsqrtq_f32((float32x4_t)a); }
NNF_INLINE vf64 sqrt(vf64 a) { return (vf64)vsqrtq_f64((float64x2_t)a); }
NNF_INLINE vi64 mul_u32(vi64 a, vi64 b) {
  return (vi64)vmull_u32(vmovn_u64((uint64x2_t)a), vmovn_u64((uint64x2_t)b));
}
// These are IEEE 754-2019 maximum and minimum. (`lesser` and `greater` have no instruction.)
NNF_INLINE vf32 max(vf32 a, vf32 b) { return (vf32)vmaxq_f32((float32x4_t)a, (float32x4_t)b); }
NNF_INLINE vf64 max(vf64 a, vf64 b) { return (vf64)vmaxq_f64((float64x2_t)a, (float64x2_t)b); }
NNF_INLINE vf32 min(vf32 a, vf32 b) { return (vf32)vminq_f32((float32x4_t)a, (float32x4_t)b); }
NNF_INLINE vf64 min(vf64 a, vf64 b) { return (vf64)vminq_f64((float64x2_t)a, (float64x2_t)b); }

NNF_INLINE vf32 nearest(vf32 a) { return (vf32)vrndnq_f32((float32x4_t)a); }
NNF_INLINE vf64 nearest(vf64 a) { return (vf64)vrndnq_f64((float64x2_t)a); }
NNF_INLINE vf32 floor(vf32 a) { return (vf32)vrndmq_f32((float32x4_t)a); }
NNF_INLINE vf64 floor(vf64 a) { return (vf64)vrndmq_f64((float64x2_t)a); }
NNF_INLINE vf32 ceil(vf32 a) { return (vf32)vrndpq_f32((float32x4_t)a); }
NNF_INLINE vf64 ceil(vf64 a) { return (vf64)vrndpq_f64((float64x2_t)a); }
NNF_INLINE vf32 trunc(vf32 a) { return (vf32)vrndq_f32((float32x4_t)a); }
NNF_INLINE vf64 trunc(vf64 a) { return (vf64)vrndq_f64((float64x2_t)a); }

NNF_INLINE vf64 widen_low(vf32 a) { return (vf64)vcvt_f64_f32(vget_low_f32((float32x4_t)a)); }
NNF_INLINE vf64 widen_high(vf32 a) { return (vf64)vcvt_high_f64_f32((float32x4_t)a); }
NNF_INLINE vf32 narrow(vf64 low, vf64 high) {
  return (vf32)vcvt_high_f32_f64(vcvt_f32_f64((float64x2_t)low), (float64x2_t)high);
}

// No masks: a pair is half a register, a single element a lane.
NNF_INLINE vf32 backend_load_n(const float* p, int n, vf32 fill) {
  float32x4_t v = (float32x4_t)fill;
  if (n == 4) return (vf32)vld1q_f32(p);
  if (n >= 2) v = vcombine_f32(vld1_f32(p), vget_high_f32(v));
  if (n == 3) return (vf32)vld1q_lane_f32(p + 2, v, 2);
  if (n == 1) return (vf32)vld1q_lane_f32(p, v, 0);
  return (vf32)v;
}
NNF_INLINE vf64 backend_load_n(const double* p, int n, vf64 fill) {
  if (n == 2) return (vf64)vld1q_f64(p);
  return n == 1 ? (vf64)vld1q_lane_f64(p, (float64x2_t)fill, 0) : fill;
}
NNF_INLINE vi64 backend_load_n(const int64_t* p, int n, vi64 fill) {
  return (vi64)backend_load_n((const double*)p, n, (vf64)fill);
}
NNF_INLINE void backend_store_n(float* p, vf32 v, int n) {
  if (n == 4) return vst1q_f32(p, (float32x4_t)v);
  if (n >= 2) vst1_f32(p, vget_low_f32((float32x4_t)v));
  if (n == 3) vst1q_lane_f32(p + 2, (float32x4_t)v, 2);
  if (n == 1) vst1q_lane_f32(p, (float32x4_t)v, 0);
}
NNF_INLINE void backend_store_n(double* p, vf64 v, int n) {
  if (n == 2) return vst1q_f64(p, (float64x2_t)v);
  if (n == 1) vst1q_lane_f64(p, (float64x2_t)v, 0);
}
NNF_INLINE void backend_store_n(int64_t* p, vi64 v, int n) {
  backend_store_n((double*)p, (vf64)v, n);
}

}  // namespace
}  // namespace nnf
