// log, log2, log1p. See math.h.
#pragma once

#include "simd/math_exp.h"

namespace nnf {
namespace {

// x = 2^e m with sqrt(1/2) <= m < sqrt(2), for positive normal x: subtracting the bits of
// sqrt(1/2) moves the boundary of the exponent field there.
template <class T>
struct Split {
  bits<T> e_bits;  // e, in the place of the exponent field
  vec<T> e, m;
};
template <class T>
NNF_INLINE Split<T> split(vec<T> x) {
  using F = Ieee<T>;
  using U = typename F::uint;
  constexpr U sqrt_half = sizeof(T) == 4 ? U(0x3f3504f3) : U(0x3fe6a09e667f3bcd);
  constexpr U fraction = (U(1) << F::kMantissa) - 1;
  bits<T> i = (bits<T>)x - sqrt_half;
  bits<T> m = (i & fraction) + sqrt_half;
  // e + bias >= 0 becomes a number by placing it below the exponent of 2^mantissa.
  constexpr T two_m = T(U(1) << F::kMantissa);
  constexpr U two_m_bits = U(F::kBias + F::kMantissa) << F::kMantissa;
  bits<T> biased = (i + F::kOneBits) >> F::kMantissa;
  vec<T> e = (vec<T>)(biased | two_m_bits) - (two_m + T(F::kBias));
  return {i & ~fraction, e, (vec<T>)m};
}

// log(2^e (1 + f)), sqrt(1/2) <= 1 + f < sqrt(2). With s = f / (2 + f), log(1 + f) = 2 artanh(s)
// = 2s + s R(s^2). As 2s = f - s f, that is f - (h - s (h + R)) with h = f^2 / 2: the largest term,
// f, is exact (the arrangement is that of FDLIBM's log).
template <class T>
NNF_INLINE vec<T> log_reduced(vec<T> e, vec<T> f) {
  using C = Coef<T>;
  vec<T> s = f / (f + T(2));
  vec<T> z = s * s;
  vec<T> h = T(0.5) * f * f;
  vec<T> tail = fma(s, fma(z, poly(z, C::log), h), e * C::ln2_lo);
  return fma(e, set1<T>(C::ln2_hi), f - (h - tail));
}

// y, the logarithm of x for positive normal x, and what it is of others.
template <class T>
NNF_INLINE vec<T> log_special(vec<T> x, vec<T> y) {
  using F = Ieee<T>;
  y = x < F::kInf ? y : x;  // +inf, NaN
  return x < F::kMinNormal ? (x < T(0) ? set1<T>(F::kNan) : set1<T>(-F::kInf)) : y;
}

template <class T>
NNF_INLINE vec<T> log_any(vec<T> x) {
  Split<T> a = split<T>(x);
  return log_special<T>(x, log_reduced<T>(a.e, a.m - T(1)));
}
// log(x) = e ln(2) + log(m), x = 2^e m. All x.
// Max error: 0.85 ulp (float32), 0.81 ulp (float64).
NNF_INLINE vf32 log(vf32 x) { return log_any<float>(x); }
NNF_INLINE vf64 log(vf64 x) { return log_any<double>(x); }

template <class T>
NNF_INLINE vec<T> log2_any(vec<T> x) {
  Split<T> a = split<T>(x);
  vec<T> y = log_reduced<T>(vec<T>{}, a.m - T(1));
  return log_special<T>(x, fma(y, set1<T>(Coef<T>::log2_e), a.e));
}
// log2(x) = e + log(m) / ln(2), x = 2^e m: exact for powers of 2. All x.
// Max error: 1.8 ulp (float32), 1.4 ulp (float64).
NNF_INLINE vf32 log2(vf32 x) { return log2_any<float>(x); }
NNF_INLINE vf64 log2(vf64 x) { return log2_any<double>(x); }

template <class T>
NNF_INLINE vec<T> log1p_any(vec<T> x) {
  using F = Ieee<T>;
  // e comes from the rounded 1 + x, but f = 2^-e x + (2^-e - 1) from x itself, so nothing is lost.
  // 2^-e as 4 * 2^-e / 4, for it is subnormal for the largest x.
  Split<T> a = split<T>(x + T(1));
  vec<T> scaled = (vec<T>)((bits<T>)x - a.e_bits);
  constexpr typename F::uint four = F::kOneBits + (typename F::uint(2) << F::kMantissa);
  vec<T> f = scaled + fma((vec<T>)(four - a.e_bits), set1<T>(T(0.25)), set1<T>(-1));
  vec<T> y = copysign(log_reduced<T>(a.e, f), x);  // for -0
  y = x < F::kInf ? y : x;
  return x <= T(-1) ? (x < T(-1) ? set1<T>(F::kNan) : set1<T>(-F::kInf)) : y;
}
// log1p(x) = e ln(2) + log(1 + f), 1 + x = 2^e (1 + f). All x.
// Max error: 1.4 ulp (float32), 1.3 ulp (float64).
NNF_INLINE vf32 log1p(vf32 x) { return log1p_any<float>(x); }
NNF_INLINE vf64 log1p(vf64 x) { return log1p_any<double>(x); }

}  // namespace
}  // namespace nnf
