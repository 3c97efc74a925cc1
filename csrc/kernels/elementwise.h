// Elementwise maps and comparisons over contiguous or scalar inputs.
#pragma once

#include "kernels/table.h"
#include "simd/math.h"
#include "simd/vec.h"

namespace nnf {
namespace {

template <class V>
NNF_INLINE V zero(V) {
  return V{};
}
// sign(0) = 0 and sign(NaN) = NaN.
template <class V>
NNF_INLINE V sign(V a) {
  V one = V{} + 1;
  return a > 0 ? one : a < 0 ? -one : a;
}
template <class V>
NNF_INLINE V clip(V a, V lo, V hi) {
  return min(max(a, lo), hi);
}

template <class T>
NNF_INLINE vec<T> step_load(const T* p, int step, int64_t i, vec<T> scalar) {
  return step ? load<T>(p + i) : scalar;
}

template <class T, int arity, class F>
void map_loop(const MapArgs<T>& g, F f) {
  constexpr int L = kLanes<T>;
  const vec<T> none{};
  const vec<T> a0 = g.n > 0 ? set1<T>(g.a[0]) : none;
  const vec<T> b0 = arity > 1 && g.n > 0 ? set1<T>(g.b[0]) : none;
  const vec<T> c0 = arity > 2 && g.n > 0 ? set1<T>(g.c[0]) : none;
  const vec<T> p0 = set1<T>(T(g.p[0])), p1 = set1<T>(T(g.p[1]));
  int64_t i = 0;
  for (; i + L <= g.n; i += L) {
    vec<T> a = step_load(g.a, g.sa, i, a0);
    vec<T> b = arity > 1 ? step_load(g.b, g.sb, i, b0) : none;
    vec<T> c = arity > 2 ? step_load(g.c, g.sc, i, c0) : none;
    store<T>(g.y + i, f(a, b, c, p0, p1));
  }
  if (int r = int(g.n - i)) {
    // Unused lanes hold 1: no function is slow or invalid there.
    vec<T> a = g.sa ? load_n<T>(g.a + i, r, 1) : a0;
    vec<T> b = arity > 1 && g.sb ? load_n<T>(g.b + i, r, 1) : b0;
    vec<T> c = arity > 2 && g.sc ? load_n<T>(g.c + i, r, 1) : c0;
    store_n<T>(g.y + i, f(a, b, c, p0, p1), r);
  }
}

#define NNF_MAP(name, arity, types, expr)                                                    \
  template <class T>                                                                         \
  void map_##name(const MapArgs<T>& g) {                                                     \
    map_loop<T, arity>(g, [](vec<T> a, vec<T> b, vec<T> c, vec<T> p0, vec<T> p1) -> vec<T> { \
      (void)a, (void)b, (void)c, (void)p0, (void)p1;                                         \
      return expr;                                                                           \
    });                                                                                      \
  }
#include "kernels/elementwise.def"

template <class T, class F>
void compare_loop(int64_t n, const T* a, int sa, const T* b, int sb, uint8_t* y, F f) {
  constexpr int L = kLanes<T>;
  if (n <= 0) return;
  const vec<T> a0 = set1<T>(a[0]), b0 = set1<T>(b[0]);
  int64_t i = 0;
  for (; i + L <= n; i += L) {
    mask<T> m = f(step_load(a, sa, i, a0), step_load(b, sb, i, b0));
    for (int l = 0; l < L; ++l) y[i + l] = uint8_t(m[l] & 1);
  }
  if (int r = int(n - i)) {
    mask<T> m = f(sa ? load_n<T>(a + i, r) : a0, sb ? load_n<T>(b + i, r) : b0);
    for (int l = 0; l < r; ++l) y[i + l] = uint8_t(m[l] & 1);
  }
}

#define NNF_COMPARE(name, expr)                                                              \
  template <class T>                                                                         \
  void compare_##name(int64_t n, const T* a, int sa, const T* b, int sb, uint8_t* y) {       \
    compare_loop<T>(n, a, sa, b, sb, y, [](vec<T> a, vec<T> b) -> mask<T> { return expr; }); \
  }
#include "kernels/elementwise.def"

// y[i] = c[i] ? a[i] : b[i]; steps as in MapArgs.
template <class T>
void where(int64_t n, const uint8_t* c, int sc, const T* a, int sa, const T* b, int sb, T* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = c[i * sc] ? a[i * sa] : b[i * sb];
}

}  // namespace
}  // namespace nnf
