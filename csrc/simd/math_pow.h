// pow. See math.h.
#pragma once

#include "simd/math_log.h"

namespace nnf {
namespace {

// a^b = e^(b log(a)) for positive normal a, all b. An error of the exponent is a relative error of
// the result, so the exponent is held in two parts, some 66 bits:
// log(2^e m) = e ln(2) + 2s + 2/3 s^3 + s^5 P(s^2), s = (m - 1) / (m + 1), each but the last as
// a sum: s + sl, z + zl = s^2, c + cl = s^3, t + tl = 2/3 s^3.
NNF_INLINE vf64 pow_positive(vf64 a, vf64 b) {
  using C = Coef<double>;
  Split<double> x = split<double>(a);
  vf64 f = x.m - 1.0;
  vf64 d = x.m + 1.0, dl = x.m - (d - 1.0);
  vf64 inverse = 1.0 / d;
  vf64 s = f * inverse;
  vf64 sd = s * d;
  vf64 sl = ((f - sd) - product_error(s, d, sd) - s * dl) * inverse;
  vf64 z = s * s, zl = fma(s + s, sl, product_error(s, s, z));
  vf64 c = z * s, cl = fma(zl, s, fma(z, sl, product_error(z, s, c)));
  vf64 t = c * C::two_thirds_hi;
  vf64 tl = product_error(c, set1(C::two_thirds_hi), t);
  tl = fma(c, set1(C::two_thirds_lo), fma(cl, set1(C::two_thirds_hi), tl));
  tl = fma(z * c, poly(z, C::log_dd), tl);
  vf64 high = 2.0 * s + t;
  vf64 low = ((2.0 * s - high) + t) + fma(set1(2.0), sl, tl);
  // e ln(2) first, for it is larger than the rest or 0.
  vf64 e_ln2 = x.e * C::ln2_hi;
  vf64 sum = e_ln2 + high;
  low = ((e_ln2 - sum) + high) + fma(x.e, set1(C::ln2_lo), low);
  high = sum + low;
  low = (sum - high) + low;

  // The exponent; beyond 2^64 the result is 0, 1 or infinite just as at 2^64.
  b = clamp<double>(b, -0x1p64, 0x1p64);
  vf64 y = b * high;
  vf64 yl = fma(b, low, product_error(b, high, y));
  yl = abs(y) < 720.0 ? yl : vf64{};
  auto [r, n_bits] = reduce_ln2<double, -1023>(clamp<double>(y, -720, 720));
  // 2^n in two factors, n -+ 64 and +-64: then overflow and underflow happen in the last product.
  vi64 positive = y > 0.0;
  bits<double> k = positive ? set1<uint64_t>(1023 - 64) : set1<uint64_t>(1023 + 64);
  bits<double> scale = (bits<double>)n_bits + (k << 52);
  vf64 p = exp_reduced<double>(r + yl) * (vf64)scale;
  return p * (positive ? set1(0x1p64) : set1(0x1p-64));
}

// The same for floats: 2^(b log2(a)) in doubles, short polynomials.
NNF_INLINE vf64 pow_positive_half(vf64 a, vf64 b) {
  using C = Coef<double>;
  Split<double> x = split<double>(a);
  vf64 s = (x.m - 1.0) / (x.m + 1.0);
  vf64 log2 = fma(s, poly(s * s, C::log2_f), x.e);
  vf64 y = clamp<double>(clamp<double>(b, -1e30, 1e30) * log2, -200, 200);
  vf64 shifted = y + (0x1.8p52 + 1023);
  vf64 r = y - (shifted - (0x1.8p52 + 1023));
  return poly(r, C::exp2_f) * (vf64)((bits<double>)shifted << 52);
}
NNF_INLINE vf32 pow_positive(vf32 a, vf32 b) {
  Wide wa = widen(a), wb = widen(b);
  return narrow({pow_positive_half(wa.low, wb.low), pow_positive_half(wa.high, wb.high)});
}

template <class T>
NNF_INLINE vec<T> pow_any(vec<T> a, vec<T> b) {
  using F = Ieee<T>;
  vec<T> abs_a = abs(a), abs_b = abs(b);
  vec<T> y = pow_positive(abs_a, b);
  // Is b an integer, an odd one? From 2^mantissa on all are integers, whose last bit tells, and
  // from twice that on all are even; below, adding 2^mantissa leaves the integer in the low bits.
  constexpr T all_integers = T(int_of<T>(1) << F::kMantissa);
  mask<T> large = abs_b >= all_integers;
  vec<T> shifted = large ? abs_b : abs_b + all_integers;
  mask<T> integer = large | (shifted - all_integers == abs_b);
  mask<T> odd = integer & (((mask<T>)shifted & 1) != 0) & (abs_b < 2 * all_integers);

  mask<T> zero = abs_a < F::kMinNormal, infinite = abs_a == F::kInf;
  y = zero | infinite ? (infinite == (b > T(0)) ? set1<T>(F::kInf) : vec<T>{}) : y;
  y = (a < T(0)) & ~zero & ~infinite & ~integer ? set1<T>(F::kNan) : y;
  y = (vec<T>)((bits<T>)y ^ ((bits<T>)a & (bits<T>)odd & F::kSignBit));
  y = (a != a) | (b != b) ? a + b : y;
  return (b == T(0)) | (a == T(1)) ? set1<T>(1) : y;
}
// pow(a, b) = |a|^b, with the sign of a if b is an odd integer. All a and b.
// Max error: 0.51 ulp (float32), 1.2 ulp (float64); without FMA 0.51 and 1.3.
NNF_INLINE vf32 pow(vf32 a, vf32 b) { return pow_any<float>(a, b); }
NNF_INLINE vf64 pow(vf64 a, vf64 b) { return pow_any<double>(a, b); }

}  // namespace
}  // namespace nnf
