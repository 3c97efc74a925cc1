// exp, exp2, expm1, sinh, cosh, sigmoid, tanh. See math.h.
#pragma once

#include "simd/math_base.h"

namespace nnf {
namespace {

// n = x / ln(2), rounded: adding 1.5 * 2^mantissa rounds it and leaves n + bias + k in the low
// bits, so one shift makes 2^(n+k).
template <class T>
struct Rounded {
  vec<T> n;
  vec<T> scale;  // 2^(n+k), for 1 - bias <= n + k <= bias
};
template <class T, int k = 0>
NNF_INLINE Rounded<T> round_ln2(vec<T> x) {
  constexpr T magic = pick<T>(0x1.8p23f, 0x1.8p52) + T(Ieee<T>::kBias + k);
  vec<T> t = fma(x, set1<T>(Coef<T>::log2_e), set1<T>(magic));
  return {t - magic, (vec<T>)((bits<T>)t << Ieee<T>::kMantissa)};
}
// r = x - n ln(2), |r| <= ln(2)/2 (Cody and Waite 1980).
template <class T>
NNF_INLINE vec<T> remainder_ln2(vec<T> x, vec<T> n) {
  using C = Coef<T>;
  return fma(n, set1<T>(-C::ln2_lo), fma(n, set1<T>(-C::ln2_hi), x));
}
template <class T>
struct Reduced {
  vec<T> r, scale;
};
template <class T, int k = 0>
NNF_INLINE Reduced<T> reduce_ln2(vec<T> x) {
  auto [n, scale] = round_ln2<T, k>(x);
  return {remainder_ln2<T>(x, n), scale};
}
// e^r = 1 + r + r^2 q(r) and e^r - 1, for |r| <= ln(2)/2.
template <class T>
NNF_INLINE vec<T> exp_reduced(vec<T> r) {
  vec<T> q = poly(r, Coef<T>::exp);
  return fma(fma(q, r, set1<T>(1)), r, set1<T>(1));
}
template <class T>
NNF_INLINE vec<T> expm1_reduced(vec<T> r) {
  return fma(r * r, poly(r, Coef<T>::exp), r);
}

template <class T>
NNF_INLINE vec<T> exp_any(vec<T> x) {
#ifdef NNF_HAS_SCALE
  vec<T> b = at_most<T>(x, pick<T>(89, 710));  // infinite there, but n and r are not
  vec<T> n = round_ln2<T>(b).n;
  vec<T> y = scale(exp_reduced<T>(remainder_ln2<T>(b, n)), n);
#else
  // n itself (k = -bias) is added to the exponent of e^r. That reaches n = bias + 1, where 2^n is
  // infinite but the result may not be.
  auto [r, n_bits] = reduce_ln2<T, -Ieee<T>::kBias>(x);
  vec<T> y = (vec<T>)((bits<T>)exp_reduced<T>(r) + (bits<T>)n_bits);
  y = x <= Coef<T>::exp_max ? y : x + Ieee<T>::kInf;  // NaN too
#endif
  return x < Coef<T>::exp_min ? vec<T>{} : y;
}
// exp(x) = 2^n e^r. All x.
// Max error: 0.92 ulp (float32), 0.88 ulp (float64); without FMA 1.2 and 1.2.
NNF_INLINE vf32 exp(vf32 x) { return exp_any<float>(x); }
NNF_INLINE vf64 exp(vf64 x) { return exp_any<double>(x); }

template <class T>
NNF_INLINE vec<T> exp2_any(vec<T> x) {
  constexpr T end = T(Ieee<T>::kBias + 1);
  vec<T> b = clamp<T>(x, -end, end);
  vec<T> t = b + pick<T>(0x1.8p23f, 0x1.8p52);
  vec<T> r = (b - (t - pick<T>(0x1.8p23f, 0x1.8p52))) * Coef<T>::ln2;
  vec<T> y = (vec<T>)((bits<T>)exp_reduced<T>(r) + ((bits<T>)t << Ieee<T>::kMantissa));
  y = x < end ? y : x + Ieee<T>::kInf;  // NaN too
  return x < T(2) - end ? vec<T>{} : y;
}
// exp2(x) = 2^n e^(ln(2) (x - n)). All x.
// Max error: 1.3 ulp (float32), 1.2 ulp (float64).
NNF_INLINE vf32 exp2(vf32 x) { return exp2_any<float>(x); }
NNF_INLINE vf64 exp2(vf64 x) { return exp2_any<double>(x); }

template <class T>
NNF_INLINE vec<T> expm1_any(vec<T> x) {
  // Half of everything, for 2^n overflows before the result does.
  auto [r, half] = reduce_ln2<T, -1>(clamp<T>(x, pick<T>(-40, -80), pick<T>(89, 710)));
  vec<T> y = fma(half, expm1_reduced<T>(r), half - T(0.5));
  return abs(x) < T(0x1p-60) ? x : y + y;  // -0, and numbers whose half would be flushed
}
// expm1(x) = 2^n (e^r - 1) + (2^n - 1). All x.
// Max error: 1.6 ulp (float32), 2.0 ulp (float64); without FMA 1.7 and 2.1.
NNF_INLINE vf32 expm1(vf32 x) { return expm1_any<float>(x); }
NNF_INLINE vf64 expm1(vf64 x) { return expm1_any<double>(x); }

template <class T>
NNF_INLINE vec<T> sinh_any(vec<T> x) {
  // A quarter of everything, for 2^n overflows before the result does.
  auto [r, quarter] = reduce_ln2<T, -2>(at_most<T>(abs(x), pick<T>(89.5f, 710.5)));
  vec<T> q = fma(quarter, expm1_reduced<T>(r), quarter - T(0.25));
  vec<T> y = T(2) * (q + q / fma(set1<T>(4), q, set1<T>(1)));
  return abs(x) < T(0x1p-60) ? x : copysign(y, x);
}
template <class T>
NNF_INLINE vec<T> cosh_any(vec<T> x) {
  auto [r, quarter] = reduce_ln2<T, -2>(at_most<T>(abs(x), pick<T>(89.5f, 710.5)));
  vec<T> q = quarter * exp_reduced<T>(r);
  return T(2) * q + T(0.125) / q;
}
// sinh(x) = (h + h / (h + 1)) / 2 with h = e^|x| - 1, and the sign of x; cosh(x) = (e^x + e^-x)
// / 2. All x. Max error: 2.4 ulp (float32), 2.2 ulp (float64); cosh 1.7 and 1.5.
NNF_INLINE vf32 sinh(vf32 x) { return sinh_any<float>(x); }
NNF_INLINE vf64 sinh(vf64 x) { return sinh_any<double>(x); }
NNF_INLINE vf32 cosh(vf32 x) { return cosh_any<float>(x); }
NNF_INLINE vf64 cosh(vf64 x) { return cosh_any<double>(x); }

template <class T>
NNF_INLINE vec<T> sigmoid_any(vec<T> x) {
  auto [r, scale] = reduce_ln2<T>(clamp<T>(-x, pick<T>(-40, -80), pick<T>(88, 709)));
  // Both sides times 1.5: where the sum is just above 1, its rounding would weigh most.
  vec<T> c = T(1.5) * scale;
  return T(1.5) / fma(c, expm1_reduced<T>(r), T(1.5) + c);
}
// sigmoid(x) = 1 / (1 + e^-x), with e^-x = 2^n + 2^n (e^r - 1) never rounded by itself. All x.
// Max error: 2.0 ulp (float32), 1.9 ulp (float64); without FMA 2.1 and 1.9.
NNF_INLINE vf32 sigmoid(vf32 x) { return sigmoid_any<float>(x); }
NNF_INLINE vf64 sigmoid(vf64 x) { return sigmoid_any<double>(x); }

template <class T>
NNF_INLINE vec<T> tanh_any(vec<T> x) {
  vec<T> a = at_most<T>(abs(x), pick<T>(10, 20));  // tanh rounds to 1 from 9.1 and 19.1 on
  auto [n, half] = round_ln2<T, -1>(a + a);
#ifdef NNF_HAS_FMA  // the error of ln2, times n, shows only where tanh has come too near to 1
  constexpr bool at_once = sizeof(T) == 4;
#else
  constexpr bool at_once = false;
#endif
  vec<T> r = at_once ? fma(n, set1<T>(-Coef<T>::ln2), a + a) : remainder_ln2<T>(a + a, n);
  vec<T> h = fma(half, expm1_reduced<T>(r), half - T(0.5));
  vec<T> y = h / (h + T(1));
  y = h < T(0.5) ? fma(-h, y, h) : y;  // the same, but the rounding of the quotient weighs less
  return (vec<T>)((bits<T>)y | ((bits<T>)x & Ieee<T>::kSignBit));
}
// tanh(x) = h / (h + 1) = h - h^2 / (h + 1) with h = (e^(2|x|) - 1) / 2, and the sign of x. All x.
// Max error: 1.9 ulp (float32), 2.0 ulp (float64); without FMA 2.1 and 2.2.
NNF_INLINE vf32 tanh(vf32 x) { return tanh_any<float>(x); }
NNF_INLINE vf64 tanh(vf64 x) { return tanh_any<double>(x); }

}  // namespace
}  // namespace nnf
