// floor, ceil, trunc, nearest, and division with them: fmod, remainder, floor_divide. See math.h.
#pragma once

#include "simd/math_base.h"

namespace nnf {
namespace {

// nearest(x): the nearest integer, the even one of two. floor, ceil, trunc: as C's. All x; exact.
#ifndef NNF_HAS_ROUNDING
// Adding and subtracting 2^mantissa rounds; from there on all numbers are integers.
template <class T>
NNF_INLINE vec<T> nearest_any(vec<T> x) {
  constexpr T integers = T(int_of<T>(1) << Ieee<T>::kMantissa);
  vec<T> a = abs(x);
  return a < integers ? copysign((a + integers) - integers, x) : x;
}
NNF_INLINE vf32 nearest(vf32 x) { return nearest_any<float>(x); }
NNF_INLINE vf64 nearest(vf64 x) { return nearest_any<double>(x); }
template <class V>
NNF_INLINE V floor(V x) {
  V y = nearest(x);
  return y > x ? y - 1 : y;
}
template <class V>
NNF_INLINE V ceil(V x) {
  V y = nearest(x);
  return y < x ? copysign(y + 1, x) : y;
}
template <class V>
NNF_INLINE V trunc(V x) {
  return copysign(floor(abs(x)), x);
}
#endif
NNF_INLINE vi64 nearest(vi64 x) { return x; }
NNF_INLINE vi64 floor(vi64 x) { return x; }
NNF_INLINE vi64 ceil(vi64 x) { return x; }
NNF_INLINE vi64 trunc(vi64 x) { return x; }

// C's function where a lane of `hard` is set, r elsewhere.
template <class T>
__attribute__((noinline)) vec<T> fmod_by_lane(mask<T> hard, vec<T> a, vec<T> b, vec<T> r) {
  for (int i = 0; i < kLanes<T>; ++i) {
    if (!hard[i]) continue;
    if constexpr (sizeof(T) == sizeof(float))
      r[i] = __builtin_fmodf(a[i], b[i]);
    else
      r[i] = __builtin_fmod(a[i], b[i]);
  }
  return r;
}
// fmod(a, b) = a - b trunc(a / b), with the sign of a, exact however large a / b is. Where the
// quotient has no more bits than a significand, its integer part as computed is the true one or,
// rounded up to an integer, one more; and either remainder is a multiple of the last place of b, at
// most as large as b: it has no rounding. Other quotients, and b so small that the remainder might
// be denormal, are C's. Of integers: 0 where b is 0 (and where it is -1, which the processor
// refuses for one a).
template <class T>
NNF_INLINE vec<T> fmod_of(vec<T> a, vec<T> b) {
#ifdef NNF_HAS_FMA
  constexpr T most = T(int_of<T>(1) << Ieee<T>::kMantissa), least = Ieee<T>::kMinNormal * most * 2;
  const vec<T> x = abs(a), y = abs(b), q = trunc(x / y);
  vec<T> r = fma(-q, y, x);
  r = r < 0 ? r + y : r;
  r = copysign(q == 0 ? x : r, a);  // b may be infinite
  const mask<T> hard = (q >= most) | (y < least);
  return any(hard) ? fmod_by_lane<T>(hard, a, b, r) : r;
#else
  return fmod_by_lane<T>(~mask<T>{}, a, b, a);
#endif
}
NNF_INLINE vf32 fmod(vf32 a, vf32 b) { return fmod_of<float>(a, b); }
NNF_INLINE vf64 fmod(vf64 a, vf64 b) { return fmod_of<double>(a, b); }
NNF_INLINE vi64 fmod(vi64 a, vi64 b) {
  const vi64 one = vi64{} + 1;
  return a % ((b == 0) | (b == -1) ? one : b);
}

// remainder(a, b) = a - b floor(a / b), with the sign of b, as Python's %.
template <class V>
NNF_INLINE V remainder(V a, V b) {
  V m = fmod(a, b);
  return (m != 0) & ((m < 0) != (b < 0)) ? m + b : m;
}

// floor_divide(a, b) = floor(a / b) without the rounding of the quotient, as Python's //.
template <class V>
NNF_INLINE V floor_divide(V a, V b) {
  V m = fmod(a, b);
  V q = (a - m) / b;
  q = (m != 0) & ((m < 0) != (b < 0)) ? q - 1 : q;
  V y = floor(q);
  y = q - y > V{} + 0.5f ? y + 1 : y;
  y = q != 0 ? y : copysign(V{}, a / b);
  return b == 0 ? a / b : y;
}
NNF_INLINE vi64 floor_divide(vi64 a, vi64 b) {
  const vi64 one = vi64{} + 1, special = (b == 0) | (b == -1);
  vi64 d = special ? one : b;
  vi64 m = a % d, q = a / d;
  q = (m != 0) & ((m < 0) != (d < 0)) ? q - 1 : q;
  return b == -1 ? (vi64)(0 - (vec<uint64_t>)q) : q;
}

}  // namespace
}  // namespace nnf
