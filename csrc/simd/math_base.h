// What the functions of math.h share: the number formats, polynomials, exact products.
#pragma once

#include "simd/math_coef.h"
#include "simd/vec.h"

namespace nnf {
namespace {

// The format of a float type.
template <class T>
struct Ieee;
template <>
struct Ieee<float> {
  using uint = uint32_t;
  static constexpr int kMantissa = 23, kBias = 127;
  static constexpr uint kOneBits = 0x3f800000, kSignBit = 0x80000000;
  static constexpr float kMinNormal = 0x1p-126f, kInf = __builtin_inff(), kNan = __builtin_nanf("");
};
template <>
struct Ieee<double> {
  using uint = uint64_t;
  static constexpr int kMantissa = 52, kBias = 1023;
  static constexpr uint kOneBits = 0x3ff0000000000000, kSignBit = 0x8000000000000000;
  static constexpr double kMinNormal = 0x1p-1022, kInf = __builtin_inf(), kNan = __builtin_nan("");
};

// The bit patterns of a vector, unsigned: sums of exponents may wrap around where a later selection
// drops the lane.
template <class T>
using bits = vec<typename Ieee<T>::uint>;

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

// product_error(a, b, p): a b - p, where p is a * b as rounded. Without FMA the factors are cut in
// halves (Dekker 1971), whose products are exact but for the last bit of a double.
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

// Both keep NaN, as the second operand.
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
