// Loads along a row of an image at some stride, for windows that slide over it.
#pragma once

#include "simd/vec.h"

namespace nnf {
namespace {

// p[0], p[2], ... p[2 n - 2], then zeros; reads nothing behind.
template <class T>
NNF_INLINE vec<T> load_even(const T* p, int n) {
  constexpr int L = kLanes<T>;
  const int all = 2 * n - 1;
  const vec<T> a = all >= L ? load<T>(p) : load_n<T>(p, all);
  const vec<T> b = all > L ? load_n<T>(p + L, all - L) : vec<T>{};
  return even_lanes<T>(a, b);
}

// p[0], p[step], ... n of them (1 <= n <= lanes), then zeros; reads nothing behind.
// kStep: 1, 2, or 0 for any other step.
template <class T, int kStep>
NNF_INLINE vec<T> load_step(const T* p, int64_t step, int n) {
  if constexpr (kStep == 1) return n == kLanes<T> ? load<T>(p) : load_n<T>(p, n);
  if constexpr (kStep == 2) return load_even<T>(p, n);
  if (n == 1) return load_n<T>(p, 1);  // a window as large as the image
  vec<T> v{};
  for (int i = 0; i < n; ++i) v[i] = p[i * step];
  return v;
}

}  // namespace
}  // namespace nnf
