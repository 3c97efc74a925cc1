// What the functions of math.h share: the number formats, polynomials, exact products.
#pragma once

#include "simd/math_coef.h"
#include "simd/vec.h"

namespace nnf {
namespace {

template <class T>
struct Ieee;
template <>
struct Ieee<float> {
  using uint = uint32_t;
  static constexpr int mantissa = 23, bias = 127;
  static constexpr int32_t bits_of_one = 0x3f800000, sign_bit = INT32_MIN;
  static constexpr float min_normal = 0x1p-126f, inf = __builtin_inff(), nan = __builtin_nanf("");
};
template <>
struct Ieee<double> {
  using uint = uint64_t;
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr int64_t bits_of_one = 0x3ff0000000000000, sign_bit = INT64_MIN;
  static constexpr double min_normal = 0x1p-1022, inf = __builtin_inf(), nan = __builtin_nan("");
};

// The working type's own choice between two constants.
template <class T>
NNF_INLINE constexpr T pick(float f, double d) {
  return sizeof(T) == 4 ? T(f) : T(d);
}

// c[0] + c[1] x + c[2] x^2 + ..., by Horner.
template <class T, size_t n>
NNF_INLINE vec<T> poly(vec<T> x, const T (&c)[n]) {
  vec<T> p = set1<T>(c[n - 1]);
  for (size_t i = n - 1; i-- > 0;) p = fma(p, x, set1<T>(c[i]));
  return p;
}

// product_error(a, b, p): a b - p for p = a * b as rounded; exact with FMA. Without, the factors are
// cut in halves, whose products are exact but for the last bit of a double (Dekker 1971).
#ifdef NNF_HAS_FMA
template <class V>
NNF_INLINE V product_error(V a, V b, V p) {
  return fma(a, b, -p);
}
#else
template <class V, class I>
NNF_INLINE V halves_product_error(V a, V b, V p, I upper) {
  V ah = (V)((decltype(a < b))a & upper), bh = (V)((decltype(a < b))b & upper);
  V al = a - ah, bl = b - bh;
  return ((ah * bh - p) + ah * bl + al * bh) + al * bl;
}
NNF_INLINE vf32 product_error(vf32 a, vf32 b, vf32 p) {
  return halves_product_error(a, b, p, ~0xfff);
}
NNF_INLINE vf64 product_error(vf64 a, vf64 b, vf64 p) {
  return halves_product_error(a, b, p, ~int64_t(0x7ffffff));
}
#endif

// clamp keeps NaN: it is the second operand.
template <class T>
NNF_INLINE vec<T> at_most(vec<T> x, T high) {
  return lesser(set1<T>(high), x);
}
template <class T>
NNF_INLINE vec<T> clamp(vec<T> x, T low, T high) {
  return greater(set1<T>(low), at_most<T>(x, high));
}

}  // namespace
}  // namespace nnf
