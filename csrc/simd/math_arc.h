// atan2, atan, asin, acos; asinh, acosh, atanh. See math.h.
#pragma once

#include "simd/math_log.h"

namespace nnf {
namespace {

// With t the smaller of |y| and |x| by the larger: atan(t) = atan((t - 1) / (t + 1)) + pi/4 from
// tan(pi/8) on, so the polynomial is short; then the quadrant.
template <class T>
NNF_INLINE vec<T> atan2_any(vec<T> y, vec<T> x) {
  using C = Coef<T>;
  vec<T> ay = abs(y), ax = abs(x);
  mask<T> steep = ay > ax;
  vec<T> small = steep ? ax : ay, large = steep ? ay : ax;
  vec<T> t = small / (large == T(0) ? set1<T>(1) : large);
  t = small == Ieee<T>::kInf ? set1<T>(1) : t;
  mask<T> upper = t > C::tan_pi_8;
  vec<T> s = upper ? (t - T(1)) / (t + T(1)) : t;
  vec<T> z = s * s;
  vec<T> r = fma(s * z, poly(z, C::atan), s);
  r = upper ? r + C::pio4 : r;
  r = steep ? C::pio2 - (r - C::pio2_lo) : r;
  r = (mask<T>)x < 0 ? T(2) * C::pio2 - (r - T(2) * C::pio2_lo) : r;
  return (x != x) | (y != y) ? x + y : copysign(r, y);
}
// atan2(y, x): the angle of the point (x, y), as C's.
// Max error: 2.7 ulp (float32), 2.4 ulp (float64).
NNF_INLINE vf32 atan2(vf32 y, vf32 x) { return atan2_any<float>(y, x); }
NNF_INLINE vf64 atan2(vf64 y, vf64 x) { return atan2_any<double>(y, x); }

// atan(x), asin(x), acos(x): angles of points on the line x = 1 and on the circle.
// Max error of asin and acos: 3.6 ulp (float32), 3.0 ulp (float64).
template <class V>
NNF_INLINE V atan(V x) {
  return atan2(x, V{} + 1);
}
template <class V>
NNF_INLINE V asin(V x) {
  return atan2(x, sqrt((1 - x) * (1 + x)));
}
template <class V>
NNF_INLINE V acos(V x) {
  return atan2(sqrt((1 - x) * (1 + x)), x);
}

// log(2a) for a so large that squares overflow and 1 does not count.
template <class T>
NNF_INLINE vec<T> log_twice(vec<T> a) {
  return log(a) + (Coef<T>::ln2_hi + Coef<T>::ln2_lo);
}
template <class T>
constexpr T kLargeArea = pick<T>(0x1p30f, 0x1p60);

template <class T>
NNF_INLINE vec<T> asinh_any(vec<T> x) {
  vec<T> a = abs(x);
  vec<T> y = log1p(fma(a, a / (sqrt(fma(a, a, set1<T>(1))) + T(1)), a));
  return copysign(a > kLargeArea<T> ? log_twice<T>(a) : y, x);
}
template <class T>
NNF_INLINE vec<T> acosh_any(vec<T> x) {
  vec<T> t = x - T(1);
  vec<T> y = log1p(t + sqrt(t * (t + T(2))));
  y = x > kLargeArea<T> ? log_twice<T>(x) : y;
  return x < T(1) ? set1<T>(Ieee<T>::kNan) : y;
}
template <class T>
NNF_INLINE vec<T> atanh_any(vec<T> x) {
  vec<T> a = abs(x);
  return copysign(T(0.5) * log1p(T(2) * a / (T(1) - a)), x);
}
// asinh(x), acosh(x), atanh(x). All x; NaN outside of the domain.
// Max error: 2.2 ulp (float32), 1.8 ulp (float64).
NNF_INLINE vf32 asinh(vf32 x) { return asinh_any<float>(x); }
NNF_INLINE vf64 asinh(vf64 x) { return asinh_any<double>(x); }
NNF_INLINE vf32 acosh(vf32 x) { return acosh_any<float>(x); }
NNF_INLINE vf64 acosh(vf64 x) { return acosh_any<double>(x); }
NNF_INLINE vf32 atanh(vf32 x) { return atanh_any<float>(x); }
NNF_INLINE vf64 atanh(vf64 x) { return atanh_any<double>(x); }

}  // namespace
}  // namespace nnf
