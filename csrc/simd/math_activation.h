// silu, mish, softplus and their derivatives. See math.h.
#pragma once

#include "simd/math_log.h"

namespace nnf {
namespace {

// Left of here x e^x is below the smallest normal number.
template <class T>
constexpr T kTailStart = pick<T>(-95, -718);

template <class T>
NNF_INLINE vec<T> silu_any(vec<T> x) {
  vec<T> b = greater(set1<T>(kTailStart<T>), x);
  // 2^-16 (1 + e^-x), which overflows after x / (1 + e^-x) is 0.
  auto [r, scale] = reduce_ln2<T, -16>(greater(set1<T>(pick<T>(-40, -80)), -b));
  vec<T> d = fma(scale, expm1_reduced<T>(r), T(0x1p-16) + scale);
  return x > pick<T>(40, 80) ? x : b / d * T(0x1p-16);
}
// silu(x) = x / (1 + e^-x). All x; -0 at -inf.
// Max error: 2.5 ulp (float32), 1.6 ulp (float64).
NNF_INLINE vf32 silu(vf32 x) { return silu_any<float>(x); }
NNF_INLINE vf64 silu(vf64 x) { return silu_any<double>(x); }

template <class T>
NNF_INLINE vec<T> silu_grad_any(vec<T> x) {
  vec<T> b = clamp<T>(x, pick<T>(-88, -708), pick<T>(40, 80));
  vec<T> e = exp(-b);
  vec<T> s = T(1) / (e + T(1));
  return fma(b, e * s * s, s);
}
// silu_grad(x) = s + x s (1 - s), s = sigmoid(x) and 1 - s = e^-x s. All x.
// Max error: 3.0 * 2^-24 (float32), 3.0 * 2^-53 (float64), absolute: it has a zero at -1.28.
NNF_INLINE vf32 silu_grad(vf32 x) { return silu_grad_any<float>(x); }
NNF_INLINE vf64 silu_grad(vf64 x) { return silu_grad_any<double>(x); }

// tanh(log(1 + e)) = n / (n + 2) with n = e (e + 2), which rounds to 1 from here on.
template <class T>
constexpr T kMishEnd = pick<T>(20, 40);

template <class T>
NNF_INLINE vec<T> mish_any(vec<T> x) {
  vec<T> b = clamp<T>(x, kTailStart<T>, kMishEnd<T>);
  auto [r, scale] = reduce_ln2<T, 20>(b);  // 2^20 e^x is normal
  vec<T> e = scale * exp_reduced<T>(r);
  vec<T> n = e * fma(e, set1<T>(T(0x1p-20)), set1<T>(2));
  vec<T> y = b * (n / fma(n, set1<T>(T(0x1p-20)), set1<T>(2))) * T(0x1p-20);
  return x > kMishEnd<T> ? x : y;
}
// mish(x) = x tanh(log(1 + e^x)). All x; -0 at -inf.
// Max error: 4.3 ulp (float32), 2.9 ulp (float64).
NNF_INLINE vf32 mish(vf32 x) { return mish_any<float>(x); }
NNF_INLINE vf64 mish(vf64 x) { return mish_any<double>(x); }

template <class T>
NNF_INLINE vec<T> mish_grad_any(vec<T> x) {
  vec<T> b = clamp<T>(x, pick<T>(-88, -708), kMishEnd<T>);
  vec<T> e = exp(b);
  vec<T> n = e * (e + T(2));
  vec<T> inverse = T(1) / (n + T(2));
  return fma(T(4) * b * e, (e + T(1)) * inverse * inverse, n * inverse);
}
// mish_grad(x) = t + 4 x e (e + 1) / (n + 2)^2, e = e^x, t = n / (n + 2). All x.
// Max error: 4.0 * 2^-24 (float32), 4.0 * 2^-53 (float64), absolute: it has a zero at -1.19.
NNF_INLINE vf32 mish_grad(vf32 x) { return mish_grad_any<float>(x); }
NNF_INLINE vf64 mish_grad(vf64 x) { return mish_grad_any<double>(x); }

// softplus: log(1 + e^(beta x)) / beta, or x where beta x is above the threshold.
template <class V>
NNF_INLINE V softplus(V x, V beta, V threshold) {
  V v = beta * x;
  return v > threshold ? x : log1p(exp(v)) / beta;
}
template <class V>
NNF_INLINE V softplus_grad(V x, V beta, V threshold) {
  V v = beta * x, one = V{} + 1;
  return v > threshold ? one : sigmoid(v);
}

}  // namespace
}  // namespace nnf
