// sin, cos, tan, sincos_2pi. See math.h.
#pragma once

#include "simd/math_base.h"

namespace nnf {
namespace {

// Sine and cosine of quarter * pi/2 + r, |r| <= pi/4. The quarter, an integer of any sign, swaps
// the two if odd; its bit of weight 2 is the sign.
template <class T>
struct SinCos {
  vec<T> sin, cos;
};
template <class T>
NNF_INLINE SinCos<T> sincos_reduced(vec<T> r, mask<T> quarter) {
  vec<T> z = r * r;
  vec<T> s = fma(z * r, poly(z, Coef<T>::sin), r);
  vec<T> c = fma(z * z, poly(z, Coef<T>::cos), fma(z, set1<T>(T(-0.5)), set1<T>(1)));
  mask<T> odd = (quarter & 1) != 0;
  constexpr int to_sign = 8 * sizeof(T) - 2;
  bits<T> q = (bits<T>)quarter;
  constexpr auto sign = Ieee<T>::kSignBit;
  return {(vec<T>)((bits<T>)(odd ? c : s) ^ ((q << to_sign) & sign)),
          (vec<T>)((bits<T>)(odd ? s : c) ^ (((q + 1) << to_sign) & sign))};
}

template <class T>
NNF_INLINE void sincos_2pi_any(vec<T> u, vec<T>* s, vec<T>* c) {
  vec<T> quarter = round(u * T(4));
  vec<T> r = fma(quarter, set1<T>(T(-0.25)), u);  // exact, in turns
  SinCos<T> y = sincos_reduced<T>(r * Coef<T>::two_pi, to_int(quarter));
  *s = y.sin;
  *c = y.cos;
}
// sincos_2pi(u): sin(2 pi u) and cos(2 pi u), for 0 <= u < 1.
// Max error: 2.0 ulp (float32, u a multiple of 2^-24), 1.9 ulp (float64).
NNF_INLINE void sincos_2pi(vf32 u, vf32* s, vf32* c) { sincos_2pi_any<float>(u, s, c); }
NNF_INLINE void sincos_2pi(vf64 u, vf64* s, vf64* c) { sincos_2pi_any<double>(u, s, c); }

// x = quarter * pi/2 + r for |x| <= 2^27: pi/2 in parts of 26 bits, whose products with the quarter
// are exact even without FMA (Cody and Waite 1980). Beyond, a float's spacing exceeds a period, and
// a double would need more of pi: C's functions do those rare lanes.
constexpr double kTrigEnd = 0x1p27;
struct Quarters {
  vf64 quarter, r;
};
NNF_INLINE Quarters reduce_pio2(vf64 x) {
  using C = Coef<double>;
  x = abs(x) <= kTrigEnd ? x : set1<double>(Ieee<double>::kNan);
  vf64 quarter = round(x * C::two_over_pi);
  vf64 r = fma(quarter, set1(-C::pio2_1), fma(quarter, set1(-C::pio2_0), x));
  return {quarter, fma(quarter, set1(-C::pio2_3), fma(quarter, set1(-C::pio2_2), r))};
}
NNF_INLINE SinCos<double> sincos(vf64 x) {
  Quarters q = reduce_pio2(x);
  return sincos_reduced<double>(q.r, to_int(q.quarter));
}
// x - quarter * pi/2 of an x that was a float.
NNF_INLINE vf64 without_quarters(vf64 x, vf64 quarter) {
  using C = Coef<double>;
#ifdef NNF_HAS_FMA
  return fma(quarter, set1(-C::pio2_lo), fma(quarter, set1(-C::pio2), x));
#else
  vf64 r = fma(quarter, set1(-C::pio2_1), fma(quarter, set1(-C::pio2_0), x));
  return fma(quarter, set1(-C::pio2_3), fma(quarter, set1(-C::pio2_2), r));
#endif
}
// Floats are reduced as doubles. What is added to the quarter rounds it to an integer, which is
// then the low half of the double's bits.
NNF_INLINE SinCos<float> sincos(vf32 x) {
  const vf64 shift = set1<double>(0x1.8p52), factor = set1<double>(Coef<double>::two_over_pi);
  const Wide wide = widen(x);
  const vf64 a = fma(wide.low, factor, shift), b = fma(wide.high, factor, shift);
  const Wide r{without_quarters(wide.low, a - shift), without_quarters(wide.high, b - shift)};
  return sincos_reduced<float>(narrow(r), (vi32)even_lanes<float>((vf32)a, (vf32)b));
}
// y, but f(x) in lanes beyond kTrigEnd.
template <class T, class F>
NNF_INLINE vec<T> with_far_lanes(vec<T> x, vec<T> y, F f) {
  const mask<T> far = abs(x) > T(kTrigEnd);
  if (__builtin_expect(any(far), 0))
    for (int i = 0; i < kLanes<T>; ++i)
      if (far[i]) y[i] = f(x[i]);
  return y;
}
// sin(x), cos(x), tan(x). All x.
// Max error: 1.6 ulp (float32), 2.1 ulp (float64); tan 3.4 and 2.9.
NNF_INLINE vf32 sin(vf32 x) {
  vf32 y = x == 0.0f ? x : sincos(x).sin;
  return with_far_lanes<float>(x, y, [](float v) { return __builtin_sinf(v); });
}
NNF_INLINE vf64 sin(vf64 x) {
  vf64 y = x == 0.0 ? x : sincos(x).sin;
  return with_far_lanes<double>(x, y, [](double v) { return __builtin_sin(v); });
}
NNF_INLINE vf32 cos(vf32 x) {
  return with_far_lanes<float>(x, sincos(x).cos, [](float v) { return __builtin_cosf(v); });
}
NNF_INLINE vf64 cos(vf64 x) {
  return with_far_lanes<double>(x, sincos(x).cos, [](double v) { return __builtin_cos(v); });
}
NNF_INLINE vf32 tan(vf32 x) {
  SinCos<float> a = sincos(x);
  vf32 y = x == 0.0f ? x : a.sin / a.cos;
  return with_far_lanes<float>(x, y, [](float v) { return __builtin_tanf(v); });
}
NNF_INLINE vf64 tan(vf64 x) {
  SinCos<double> a = sincos(x);
  vf64 y = x == 0.0 ? x : a.sin / a.cos;
  return with_far_lanes<double>(x, y, [](double v) { return __builtin_tan(v); });
}

}  // namespace
}  // namespace nnf
