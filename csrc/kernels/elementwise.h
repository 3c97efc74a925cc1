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
// min(max(a, lo), hi); what is said of the bounds alone is computed once.
template <class V>
NNF_INLINE V clip(V a, V lo, V hi) {
  const auto none = (lo != lo) | (hi != hi);
  const V y = lesser(hi, greater(lo, a));
  return none ? lo + hi : y;
}
template <class V>
NNF_INLINE V infinite(V) {
  return V{} + __builtin_inff();
}
template <class V>
NNF_INLINE V sixth(V) {
  return 1 / (V{} + 6);
}

// The vector at element i of a run that is contiguous (step 1) or one scalar (step 0), of which k
// lanes count. The others hold 1: no function is slow or invalid there.
template <class T>
NNF_INLINE vec<T> step_load(const T* p, int step, int64_t i, int k, vec<T> scalar) {
  return step ? load_k<T>(p + i, k, T(1)) : scalar;
}

// Writes rows, value(i, k) being the vector at element i of one, of which k lanes count. If
// past_caches, whole lines are: what a row leaves of its last line waits here for the next row.
template <class T>
class RowWriter {
  static constexpr int L = kLanes<T>;
  static constexpr int64_t kItems = kLine / int64_t(sizeof(T));
  alignas(kLine) T line_[kItems];
  int64_t waiting_ = 0;
  T* end_ = nullptr;  // of the row before
  const bool past_caches_;

  // Elements [i, end) to `to`.
  template <class F>
  NNF_INLINE static void put(int64_t i, int64_t end, T* to, F value) {
    for (; i + L <= end; i += L, to += L) store<T>(to, value(i, L));
    if (i < end) store_n<T>(to, value(i, int(end - i)), int(end - i));
  }
  NNF_INLINE void flush() {
    __builtin_memcpy(end_ - waiting_, line_, size_t(waiting_) * sizeof(T));
    waiting_ = 0;
  }

 public:
  NNF_INLINE explicit RowWriter(bool past_caches) : past_caches_(past_caches) {}
  NNF_INLINE ~RowWriter() {
    if (!past_caches_) return;
    if (waiting_) flush();
    stream_fence();
  }
  RowWriter(const RowWriter&) = delete;
  RowWriter& operator=(const RowWriter&) = delete;

  template <class F>
  NNF_INLINE void write(int64_t n, T* y, F value) {
    if (past_caches_)
      write_lines(n, y, value);
    else
      put(0, n, y, value);
  }

 private:
  template <class F>
  NNF_INLINE void write_lines(int64_t n, T* y, F value) {
    if (waiting_ && end_ != y) flush();
    int64_t i = to_line(y);
    if (i >= n) {  // within one line
      if (waiting_) flush();
      return put(0, n, y, value);
    }
    put(0, i, waiting_ ? line_ + waiting_ : y, value);
    if (waiting_)
      for (int64_t j = 0; j < kItems; j += L) stream<T>(y + i - kItems + j, load<T>(line_ + j));
    while (i + kItems <= n)
      for (const int64_t end = i + kItems; i < end; i += L) stream<T>(y + i, value(i, L));
    put(i, n, line_, value);
    waiting_ = n - i, end_ = y + n;
  }
};

template <class T, int arity, class F>
void map_loop(const MapArgs<T>& g, F f) {
  if (g.n <= 0) return;
  const vec<T> none{}, p0 = set1<T>(T(g.p[0])), p1 = set1<T>(T(g.p[1]));
  RowWriter<T> writer(g.past_caches);
  const T *pa = g.a, *pb = g.b, *pc = g.c;
  T* y = g.y;
  for (int64_t row = 0; row < g.rows; ++row, pa += g.ra, pb += g.rb, pc += g.rc, y += g.ry) {
    const vec<T> a0 = set1<T>(*pa);
    const vec<T> b0 = arity > 1 ? set1<T>(*pb) : none;
    const vec<T> c0 = arity > 2 ? set1<T>(*pc) : none;
    auto value = [&](int64_t i, int k) __attribute__((always_inline)) {
      vec<T> a = step_load(pa, g.sa, i, k, a0);
      vec<T> b = arity > 1 ? step_load(pb, g.sb, i, k, b0) : none;
      vec<T> c = arity > 2 ? step_load(pc, g.sc, i, k, c0) : none;
      return f(a, b, c, p0, p1);
    };
    writer.write(g.n, y, value);
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
  if (n <= 0) return;
  const vec<T> a0 = set1<T>(a[0]), b0 = set1<T>(b[0]);
  auto step = [&](int64_t i, int k) __attribute__((always_inline)) {
    store_bools<T>(y + i, f(step_load(a, sa, i, k, a0), step_load(b, sb, i, k, b0)), k);
  };
  for_lanes<T>(n, step);
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
  if (n <= 0) return;
  const vec<T> a0 = set1<T>(a[0]), b0 = set1<T>(b[0]);
  const mask<T> c0 = mask<T>{} - c[0];
  auto step = [&](int64_t i, int k) __attribute__((always_inline)) {
    const mask<T> m = sc ? load_bools<T>(c + i, k) : c0;
    const vec<T> v = m ? step_load(a, sa, i, k, a0) : step_load(b, sb, i, k, b0);
    store_k<T>(y + i, v, k);
  };
  for_lanes<T>(n, step);
}

template <class T, class To>
NNF_INLINE void convert(int64_t n, const T* x, To* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = To(x[i]);
}

// y[i] = x[i] in another dtype; to bool: whether it is not 0.
template <class T>
void cast(int64_t n, const T* x, DType to, void* y) {
  if (to == DType::f32) return convert(n, x, static_cast<float*>(y));
  if (to == DType::f64) return convert(n, x, static_cast<double*>(y));
  if (to == DType::i64) return convert(n, x, static_cast<int64_t*>(y));
  auto step = [&](int64_t i, int k) __attribute__((always_inline)) {
    store_bools<T>(static_cast<uint8_t*>(y) + i, load_k<T>(x + i, k, T(0)) != T(0), k);
  };
  for_lanes<T>(n, step);
}

// y[i] = 1 or 0, as x[i] is.
template <class T>
void cast_bool(int64_t n, const uint8_t* x, T* y) {
  const vec<T> one = set1<T>(T(1)), none{};
  auto step = [&](int64_t i, int k) __attribute__((always_inline)) {
    const vec<T> v = load_bools<T>(x + i, k) ? one : none;
    store_k<T>(y + i, v, k);
  };
  for_lanes<T>(n, step);
}

}  // namespace
}  // namespace nnf
