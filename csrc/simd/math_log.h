// log, log1p. See math.h.
#pragma once

#include "simd/math_exp.h"

namespace nnf {
namespace {

// x = 2^e m with sqrt(1/2) <= m < sqrt(2), for positive normal x: subtracting the bits of
// sqrt(1/2) moves the boundary of the exponent field there.
template <class T>
struct Split {
  mask<T> e_bits;  // e, in the place of the exponent field
  vec<T> e, m;
};
template <class T>
NNF_INLINE Split<T> split(vec<T> x) {
  using F = Ieee<T>;
  constexpr int_of<T> sqrt_half = sizeof(T) == 4 ? 0x3f3504f3 : int_of<T>(0x3fe6a09e667f3bcd);
  constexpr int_of<T> fraction = (int_of<T>(1) << F::mantissa) - 1;
  mask<T> i = (mask<T>)x - sqrt_half;
  mask<T> m = (i & fraction) + sqrt_half;
  // e + bias >= 0 becomes a number by placing it below the exponent of 2^mantissa.
  constexpr T two_m = T(int_of<T>(1) << F::mantissa);
  constexpr int_of<T> two_m_bits = int_of<T>(F::bias + F::mantissa) << F::mantissa;
  vec<typename F::uint> biased = (vec<typename F::uint>)(i + F::bits_of_one) >> F::mantissa;
  vec<T> e = (vec<T>)((mask<T>)biased | two_m_bits) - (two_m + T(F::bias));
  return {i & ~fraction, e, (vec<T>)m};
}

// log(2^e (1 + f)), sqrt(1/2) <= 1 + f < sqrt(2). With s = f / (2 + f), log(1 + f) = 2 artanh(s)
// = 2s + s R(s^2), and 2s = f - s f keeps f, which is exact, out of the division:
// log(1 + f) = f - (h - s (h + R)), h = f^2 / 2 (Remez fit of R; the form is that of FDLIBM).
template <class T>
NNF_INLINE vec<T> log_reduced(vec<T> e, vec<T> f) {
  using C = Coef<T>;
  vec<T> s = f / (f + T(2));
  vec<T> z = s * s;
  vec<T> h = T(0.5) * f * f;
  vec<T> tail = fma(s, fma(z, poly(z, C::log), h), e * C::ln2_lo);
  return fma(e, set1<T>(C::ln2_hi), f - (h - tail));
}

template <class T>
NNF_INLINE vec<T> log_any(vec<T> x) {
  using F = Ieee<T>;
  Split<T> a = split<T>(x);
  vec<T> y = log_reduced<T>(a.e, a.m - T(1));
  y = x < F::inf ? y : x;  // +inf, NaN
  return x < F::min_normal ? (x < T(0) ? set1<T>(F::nan) : set1<T>(-F::inf)) : y;
}
// log(x) = e ln(2) + log(m), x = 2^e m. All x; a subnormal x counts as 0.
NNF_INLINE vf32 log(vf32 x) { return log_any<float>(x); }
NNF_INLINE vf64 log(vf64 x) { return log_any<double>(x); }

template <class T>
NNF_INLINE vec<T> log1p_any(vec<T> x) {
  using F = Ieee<T>;
  // e from the rounded 1 + x, but f = 2^-e (1 + x) - 1 from x itself, so what 1 + x lost is there.
  // 4 * 2^-e instead of 2^-e, which is subnormal for the largest x.
  Split<T> a = split<T>(x + T(1));
  vec<T> scaled = (vec<T>)((mask<T>)x - a.e_bits);
  constexpr int_of<T> four = F::bits_of_one + (int_of<T>(2) << F::mantissa);
  vec<T> f = scaled + fma((vec<T>)(four - a.e_bits), set1<T>(T(0.25)), set1<T>(-1));
  vec<T> y = copysign(log_reduced<T>(a.e, f), x);  // for -0
  y = x < F::inf ? y : x;
  return x <= T(-1) ? (x < T(-1) ? set1<T>(F::nan) : set1<T>(-F::inf)) : y;
}
// log1p(x) = log(1 + x). All x.
NNF_INLINE vf32 log1p(vf32 x) { return log1p_any<float>(x); }
NNF_INLINE vf64 log1p(vf64 x) { return log1p_any<double>(x); }

}  // namespace
}  // namespace nnf
