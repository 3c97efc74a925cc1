// Softmax and its cross entropy: `count` problems of n elements each.
//
// If stride is 1 they are rows: problem i begins at x + i * n. Otherwise they are columns:
// problem i begins at x + i, its elements are `stride` apart, and a vector holds one element each
// of several problems. A problem's bits do not depend on the others.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/reduce.h"
#include "kernels/table.h"
#include "kernels/transpose.h"
#include "simd/math.h"
#include "simd/vec.h"

namespace nnf {
namespace {

// The vectors of one row, or of a vector's worth of columns.
template <class T, bool kColumns>
struct Lines {
  static constexpr bool columns = kColumns;
  static constexpr int kBlock = 64;  // vectors summed up before they join the total
  int64_t steps;                     // vectors
  int64_t stride;                    // elements from one to the next
  int width, last;                   // lanes that count, and in the last vector

  // Vectors all of whose lanes count.
  NNF_INLINE int64_t whole() const {
    return rest() == kLanes<T> ? steps : kColumns ? 0 : steps - 1;
  }
  NNF_INLINE int rest() const { return kColumns ? width : last; }
  // Calls f(i, lanes that count) for the vectors from begin to end.
  template <class F>
  NNF_INLINE void each(int64_t begin, int64_t end, F f) const {
    const int64_t full = whole() < end ? whole() : end;
    for (; begin < full; ++begin) f(begin, kLanes<T>);
    for (; begin < end; ++begin) f(begin, rest());
  }
  // Problems side by side.
  NNF_INLINE int problems() const { return kColumns ? width : 1; }
  NNF_INLINE vec<T> load(const T* p, int64_t i, int k, T fill = T(0)) const {
    return load_k<T>(p + i * stride, k, fill);
  }
  NNF_INLINE void store(T* p, int64_t i, int k, vec<T> v) const {
    store_k<T>(p + i * stride, v, k);
  }
  // Where element t of problem l stands.
  NNF_INLINE int64_t at(int64_t t, int l) const { return kColumns ? t * stride + l : t; }

  // One value a problem: in its lane, or in all lanes.
  NNF_INLINE vec<T> value(const T* p) const {
    return kColumns ? load_k<T>(p, width, T(0)) : set1<T>(*p);
  }
  NNF_INLINE void put(T* p, vec<T> v) const {
    if (kColumns)
      store_k<T>(p, v, width);
    else
      *p = v[0];
  }
  // The largest number of a problem, NaNs left out: their exponentials are NaN soon enough.
  NNF_INLINE vec<T> max(const T* x) const {
    constexpr int A = 4;  // vectors side by side
    vec<T> m[A];
    for (int a = 0; a < A; ++a) m[a] = set1<T>(lowest<T>());
    int64_t i = 0;
    for (const int64_t end = whole(); i + A <= end; i += A)
      for (int a = 0; a < A; ++a) m[a] = greater(load(x, i + a, kLanes<T>), m[a]);
    each(i, steps, [&](int64_t j, int k) __attribute__((always_inline)) {
      m[0] = greater(load(x, j, k, lowest<T>()), m[0]);
    });
    const vec<T> all = greater(greater(m[0], m[1]), greater(m[2], m[3]));
    if (kColumns) return all;
    return set1<T>(fold<T>(all, [](vec<T> a, vec<T> b) { return greater(a, b); }));
  }
  // y = f(o, k) for the vectors of elements from o on, of which k lanes count.
  template <class F>
  NNF_INLINE void write(RowWriter<T>& writer, T* y, F f) const {
    if constexpr (kColumns)
      for (int64_t i = 0; i < steps; ++i) store(y, i, width, f(i * stride, width));
    else
      writer.write((steps - 1) * stride + last, y, f);
  }
  // The sum of f(i, k) over all vectors; lanes that do not count must be 0.
  template <class F>
  NNF_INLINE vec<T> sum(F f) const {
    vec<T> total{};
    for (int64_t i = 0; i < steps; i += kBlock) {
      vec<T> part{};
      each(i, steps - i < kBlock ? steps : i + kBlock,
           [&](int64_t j, int k) __attribute__((always_inline)) { part = part + f(j, k); });
      total = total + part;
    }
    if constexpr (kColumns)
      return total;
    else
      return set1<T>(reduce_add<T>(total));
  }
};

// Those of a row of n.
template <class T>
NNF_INLINE Lines<T, false> row_lines(int64_t n) {
  constexpr int L = kLanes<T>;
  const int64_t steps = (n + L - 1) / L;
  return {steps, L, L, int(n - (steps - 1) * L)};
}

// Calls f(lines, offset of the elements, index of the first problem).
template <class T, class F>
NNF_INLINE void for_problems(int64_t count, int64_t n, int64_t stride, F f) {
  constexpr int L = kLanes<T>;
  if (stride == 1) {
    const Lines<T, false> g = row_lines<T>(n);
    for (int64_t i = 0; i < count; ++i) f(g, i * n, i);
  } else {
    for (int64_t j = 0; j < count; j += L) {
      const int k = count - j < L ? int(count - j) : L;
      f(Lines<T, true>{n, stride, k, k}, j, j);
    }
  }
}

constexpr int64_t kSoftmaxRow = 2048;  // elements of a row that wait until it is divided

// y = exp(x - m) / sum exp(x - m), m = max x. past_caches as in MapArgs.
template <class T>
void softmax(int64_t count, int64_t n, int64_t stride, const T* x, T* y, bool past_caches) {
  T row[kSoftmaxRow];
  const bool waits = past_caches && stride == 1 && n <= kSoftmaxRow;
  RowWriter<T> writer(waits);
  for_problems<T>(count, n, stride, [&](auto g, int64_t at, int64_t) {
    const T* px = x + at;
    T *py = y + at, *pe = waits ? row : py;
    const vec<T> m = g.max(px);
    const vec<T> total = g.sum([=](int64_t i, int k) __attribute__((always_inline)) {
      const vec<T> e = exp(g.load(px, i, k, lowest<T>()) - m);
      g.store(pe, i, k, e);
      return e;
    });
    const vec<T> r = T(1) / total;
    g.write(writer, py, [=](int64_t o, int k) __attribute__((always_inline)) {
      return load_k<T>(pe + o, k) * r;
    });
  });
}

// y = (x - m) - log sum exp(x - m), m = max x. Of a few rows the logarithms are taken at once;
// while the next ones are summed up, these are written. past_caches as in MapArgs.
template <class T>
void log_softmax(int64_t count, int64_t n, int64_t stride, const T* x, T* y, bool past_caches) {
  constexpr int64_t kFew = kLanes<T> < 4 ? kLanes<T> : 4, kKept = 2 * kFew;
  RowWriter<T> writer(past_caches && stride == 1);
  auto sum = [=](auto g, int64_t at, vec<T> m) __attribute__((always_inline)) {
    return g.sum([=](int64_t i, int k) __attribute__((always_inline)) {
      return exp(g.load(x + at, i, k, lowest<T>()) - m);
    });
  };
  auto write = [&](auto g, int64_t at, vec<T> m, vec<T> lse) __attribute__((always_inline)) {
    g.write(writer, y + at, [=](int64_t o, int k) __attribute__((always_inline)) {
      return load_k<T>(x + at + o, k) - m - lse;
    });
  };
  if (stride > 1)
    return for_problems<T>(count, n, stride, [&](auto g, int64_t at, int64_t) {
      const vec<T> m = g.max(x + at);
      write(g, at, m, log(sum(g, at, m)));
    });
  const Lines<T, false> g = row_lines<T>(n);
  T peak[kKept], lse[kKept];
  for (int64_t i = 0; i < count + kFew; i += kFew) {
    for (int64_t r = i; r < i + kFew; ++r) {
      if (r < count) {
        const vec<T> m = g.max(x + r * n);
        g.put(peak + r % kKept, m);
        g.put(lse + r % kKept, sum(g, r * n, m));
      }
      const int64_t w = r - kFew;
      if (w >= 0 && w < count) write(g, w * n, g.value(peak + w % kKept), g.value(lse + w % kKept));
    }
    T* const sums = lse + i % kKept;
    const int k = count - i < kFew ? int(count - i) : int(kFew);
    if (k > 0) store_n<T>(sums, log(load_n<T>(sums, k, T(1))), k);
  }
}

// dx = y (dy - sum dy y); of the logarithm: dx = dy - exp(y) sum dy. past_caches as in MapArgs.
template <class T>
void softmax_backward(bool as_log, int64_t count, int64_t n, int64_t stride, const T* dy,
                      const T* y, T* dx, bool past_caches) {
  RowWriter<T> writer(past_caches && stride == 1);
  for_problems<T>(count, n, stride, [&](auto g, int64_t at, int64_t) {
    const T *pd = dy + at, *py = y + at;
    const vec<T> s = g.sum([=](int64_t i, int k) __attribute__((always_inline)) {
      const vec<T> d = g.load(pd, i, k);
      return as_log ? d : d * g.load(py, i, k);
    });
    g.write(writer, dx + at, [=](int64_t o, int k) __attribute__((always_inline)) {
      const vec<T> d = load_k<T>(pd + o, k), v = load_k<T>(py + o, k);
      return as_log ? d - exp(v) * s : v * (d - s);
    });
  });
}

// Whether a target is one of the n classes that count.
NNF_INLINE bool is_class(int64_t target, int64_t n, int64_t ignored) {
  return target >= 0 && target < n && target != ignored;
}

// loss = log total - (x[target] - peak) with peak = max x, total = sum exp(x - peak); 0 where the
// target is ignored or none of the n classes.
template <class T>
void cross_entropy(int64_t count, int64_t n, int64_t stride, const T* x, const int64_t* target,
                   int64_t ignored, T* loss, T* peak, T* total) {
  constexpr int L = kLanes<T>;
  auto problem = [=](auto g, const T* px, int64_t first) __attribute__((always_inline)) {
    const vec<T> m = g.max(px);
    const vec<T> s = g.sum([=](int64_t i, int k) __attribute__((always_inline)) {
      return exp(g.load(px, i, k, lowest<T>()) - m);
    });
    T lse[L];
    store<T>(lse, log(s));
    g.put(peak + first, m);
    g.put(total + first, s);
    for (int l = 0; l < g.problems(); ++l) {
      const int64_t t = target[first + l];
      const bool counts = is_class(t, n, ignored);
      loss[first + l] = counts ? lse[l] - (px[g.at(t, l)] - peak[first + l]) : T(0);
    }
  };
  if (stride > 1 || n > L)
    return for_problems<T>(count, n, stride,
                           [=](auto g, int64_t at, int64_t i) { problem(g, x + at, i); });
  T columns[L * L];  // short rows, a vector's worth of them at once
  for (int64_t i = 0; i < count; i += L) {
    const int k = count - i < L ? int(count - i) : L;
    vec<T> r[L];
    load_transposed<T>(x + i * n, n, k, int(n), r);
    for (int c = 0; c < n; ++c) store<T>(columns + c * L, r[c]);
    problem(Lines<T, true>{n, L, k, k}, columns, i);
  }
}

// dx = (exp(x - peak) / total - [class is target]) dy; 0 where the target does not count.
template <class T>
void cross_entropy_backward(int64_t count, int64_t n, int64_t stride, const T* dy, const T* x,
                            const int64_t* target, int64_t ignored, const T* peak, const T* total,
                            T* dx) {
  for_problems<T>(count, n, stride, [=](auto g, int64_t at, int64_t first) {
    vec<T> scale = g.value(dy + first) / g.value(total + first);
    const vec<T> m = g.value(peak + first);
    for (int l = 0; l < g.problems(); ++l) {
      if (is_class(target[first + l], n, ignored)) continue;
      if (g.columns)
        scale[l] = T(0);
      else
        scale = vec<T>{};
    }
    g.each(0, g.steps, [=](int64_t i, int k) __attribute__((always_inline)) {
      g.store(dx + at, i, k, exp(g.load(x + at, i, k) - m) * scale);
    });
    for (int l = 0; l < g.problems(); ++l) {
      const int64_t t = target[first + l];
      if (is_class(t, n, ignored)) dx[at + g.at(t, l)] -= dy[first + l];
    }
  });
}

}  // namespace
}  // namespace nnf
