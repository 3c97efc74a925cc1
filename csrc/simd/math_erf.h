// erf, and gelu in its two forms with their derivatives. See math.h.
#pragma once

#include "simd/math_exp.h"

namespace nnf {
namespace {

// The tail of the normal distribution for 0 <= a <= kTailEnd: Phi(-a) = e^(-a^2/2) p / q, where
// e^(-a^2/2) = 2^n (1 + t) and p / q falls from 1/2 like 1 / (sqrt(2 pi) a). So q is fitted as
// sqrt(2 pi) a p plus a remainder: for large a, errors of p cancel. All coefficients are positive.
template <class T>
struct Tail {
  vec<T> scale, t, p, q;
};
// A relative error of a^2/2 is an absolute one of the exponent: `square_error`, what the rounding
// of the square lost, keeps the far tail accurate.
template <class T>
NNF_INLINE Tail<T> normal_tail(vec<T> a, vec<T> square, vec<T> square_error) {
  auto [r, scale] = reduce_ln2<T>(T(-0.5) * square);
  r = fma(square_error, set1<T>(T(-0.5)), r);
  vec<T> p = poly(a, Coef<T>::tail_p);
  vec<T> q = fma(a * Coef<T>::sqrt_2pi, p, poly(a, Coef<T>::tail_q));
  return {scale, expm1_reduced<T>(r), p, q};
}
template <class T>
NNF_INLINE Tail<T> normal_tail(vec<T> a) {
  vec<T> square = a * a;
  return normal_tail<T>(a, square, product_error(a, a, square));
}
// From here on a Phi(-a) is below the smallest normal number; 2^n is still normal.
template <class T>
constexpr T kTailEnd = pick<T>(13.2f, 37.64);

template <class T>
NNF_INLINE vec<T> erf_any(vec<T> x) {
  vec<T> a = at_most<T>(abs(x), T(6));  // erf rounds to 1 from 3.92 and 5.93 on
  vec<T> z = x * x;
  vec<T> inner = fma(x, poly(z, Coef<T>::erf), x);
  Tail<T> t = normal_tail<T>(a * Coef<T>::sqrt_2, T(2) * a * a, vec<T>{});
  vec<T> ratio = t.scale * t.p / t.q;
  vec<T> outer = fma(fma(ratio, t.t, ratio), set1<T>(-2), set1<T>(1));
  return a < T(1) ? inner : copysign(outer, x);
}
// erf(x) = x + x E(x^2) for |x| < 1, else the sign of x times 1 - 2 Phi(-sqrt(2) |x|). All x.
// Max error: 1.3 ulp (float32), 1.1 ulp (float64); without FMA 1.4 and 1.3.
NNF_INLINE vf32 erf(vf32 x) { return erf_any<float>(x); }
NNF_INLINE vf64 erf(vf64 x) { return erf_any<double>(x); }

template <class T>
NNF_INLINE vec<T> gelu_any(vec<T> x) {
  vec<T> a = at_most<T>(abs(x), kTailEnd<T>);
  Tail<T> t = normal_tail<T>(a);
  vec<T> ratio = a * t.p / t.q;
  return greater(set1<T>(T(-0.0)), x) - t.scale * fma(ratio, t.t, ratio);
}
// gelu(x) = x Phi(x) = max(x, 0) - |x| Phi(-|x|). All x.
// Max error: 5.2 ulp (float32), 3.9 ulp (float64), in the far left tail too; without FMA 5.2, 4.2.
NNF_INLINE vf32 gelu(vf32 x) { return gelu_any<float>(x); }
NNF_INLINE vf64 gelu(vf64 x) { return gelu_any<double>(x); }

template <class T>
NNF_INLINE vec<T> gelu_grad_any(vec<T> x) {
  vec<T> a = at_most<T>(abs(x), kTailEnd<T>);
  Tail<T> t = normal_tail<T>(a);
  vec<T> g = fma(a, set1<T>(-Coef<T>::inv_sqrt_2pi), t.p / t.q);
  g = t.scale * fma(g, t.t, g);
  return x < T(0) ? g : T(1) - g;
}
// gelu_grad(x) = Phi(x) + x phi(x) = g(|x|) for x < 0, else 1 - g(|x|),
// with g(a) = e^(-a^2/2) (p/q - a / sqrt(2 pi)). All x.
// Max error: 2.8 * 2^-24 (float32), 2.6 * 2^-53 (float64), absolute: it has a zero at -0.75.
NNF_INLINE vf32 gelu_grad(vf32 x) { return gelu_grad_any<float>(x); }
NNF_INLINE vf64 gelu_grad(vf64 x) { return gelu_grad_any<double>(x); }

// The tanh approximation: x (1 + tanh(u)) / 2 = x sigmoid(2u), 2u = x (c1 + c3 x^2).
template <class T>
constexpr T kGeluC1 = T(2) * Coef<T>::sqrt_2_over_pi;
template <class T>
constexpr T kGeluC3 = kGeluC1<T> * T(0.044715);

template <class T>
NNF_INLINE vec<T> gelu_tanh_any(vec<T> x) {
  vec<T> b = clamp<T>(x, pick<T>(-11, -23), pick<T>(11, 23));
  vec<T> v = b * fma(b * b, set1<T>(kGeluC3<T>), set1<T>(kGeluC1<T>));
  // A sixteenth of 1 + e^-v, which overflows before x / (1 + e^-v) is 0.
  auto [r, scale] = reduce_ln2<T, -4>(clamp<T>(-v, pick<T>(-40, -80), pick<T>(90, 712)));
  vec<T> d = fma(scale, expm1_reduced<T>(r), T(0.0625) + scale);
  return x > pick<T>(11, 23) ? x : b / d * T(0.0625);
}
// gelu_tanh(x) = x / (1 + e^-2u). All x.
// Max error: 2.4 ulp for x >= -1. Left of it 2.4 + 2.6 |2u| ulp, as the rounding of the exponent 2u
// shows: some 200 ulp (float32) at -10, where the formula gives -1e-37 and gelu is -8e-23.
NNF_INLINE vf32 gelu_tanh(vf32 x) { return gelu_tanh_any<float>(x); }
NNF_INLINE vf64 gelu_tanh(vf64 x) { return gelu_tanh_any<double>(x); }

template <class T>
NNF_INLINE vec<T> gelu_tanh_grad_any(vec<T> x) {
  vec<T> b = clamp<T>(x, pick<T>(-11, -23), pick<T>(11, 23));
  vec<T> square = b * b;
  vec<T> v = b * fma(square, set1<T>(kGeluC3<T>), set1<T>(kGeluC1<T>));
  vec<T> slope = fma(square, set1<T>(T(3) * kGeluC3<T>), set1<T>(kGeluC1<T>));
  auto [r, scale] = reduce_ln2<T>(clamp<T>(-v, pick<T>(-40, -80), pick<T>(88, 709)));
  vec<T> e = exp_reduced<T>(r) * scale;
  vec<T> s = T(1) / (e + T(1));
  return fma(b * slope, e * s * s, s);
}
// With v = 2u, s = sigmoid(v): d(x s)/dx = s + x v' s (1 - s), and 1 - s = e^-v s. All x.
// Max error: 3.7 * 2^-24 (float32), 3.6 * 2^-53 (float64), absolute: it has a zero at -0.75.
NNF_INLINE vf32 gelu_tanh_grad(vf32 x) { return gelu_tanh_grad_any<float>(x); }
NNF_INLINE vf64 gelu_tanh_grad(vf64 x) { return gelu_tanh_grad_any<double>(x); }

}  // namespace
}  // namespace nnf
