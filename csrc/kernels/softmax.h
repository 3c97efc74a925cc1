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

  NNF_INLINE int lanes(int64_t i) const { return kColumns || i + 1 < steps ? width : last; }
  // Problems side by side.
  NNF_INLINE int problems() const { return kColumns ? width : 1; }
  NNF_INLINE vec<T> load(const T* p, int64_t i, T fill) const {
    return load_k<T>(p + i * stride, lanes(i), fill);
  }
  NNF_INLINE void store(T* p, int64_t i, vec<T> v) const {
    store_k<T>(p + i * stride, v, lanes(i));
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
    for (; i + A < steps; i += A)
      for (int a = 0; a < A; ++a) m[a] = greater(load(x, i + a, lowest<T>()), m[a]);
    for (; i < steps; ++i) m[0] = greater(load(x, i, lowest<T>()), m[0]);
    const vec<T> all = greater(greater(m[0], m[1]), greater(m[2], m[3]));
    return kColumns ? all : set1<T>(reduce_max<T>(all));
  }
  // y = f(o, k) for the vectors of elements from o on, of which k lanes count.
  template <class F>
  NNF_INLINE void write(RowWriter<T>& writer, T* y, F f) const {
    if constexpr (kColumns)
      for (int64_t i = 0; i < steps; ++i) store(y, i, f(i * stride, width));
    else
      writer.write((steps - 1) * stride + last, y, f);
  }
  // The sum of f(i) over all vectors; lanes that do not count must be 0.
  template <class F>
  NNF_INLINE vec<T> sum(F f) const {
    vec<T> total{};
    for (int64_t i = 0; i < steps;) {
      const int64_t end = steps - i < kBlock ? steps : i + kBlock;
      vec<T> part{};
      for (; i < end; ++i) part = part + f(i);
      total = total + part;
    }
    if constexpr (kColumns)
      return total;
    else
      return set1<T>(reduce_add<T>(total));
  }
};

// Calls f(lines, offset of the elements, index of the first problem).
template <class T, class F>
NNF_INLINE void for_problems(int64_t count, int64_t n, int64_t stride, F f) {
  constexpr int L = kLanes<T>;
  if (stride == 1) {
    const int64_t steps = (n + L - 1) / L;
    const Lines<T, false> g{steps, L, L, int(n - (steps - 1) * L)};
    for (int64_t i = 0; i < count; ++i) f(g, i * n, i);
  } else {
    for (int64_t j = 0; j < count; j += L) {
      const int k = count - j < L ? int(count - j) : L;
      f(Lines<T, true>{n, stride, k, k}, j, j);
    }
  }
}

constexpr int64_t kSoftmaxRow = 2048;  // elements of a row that wait until it is divided

// y = exp(x - m) / sum exp(x - m), or its logarithm (x - m) - log sum exp(x - m); m = max x.
// past_caches as in MapArgs.
template <class T>
void softmax(bool as_log, int64_t count, int64_t n, int64_t stride, const T* x, T* y,
             bool past_caches) {
  T row[kSoftmaxRow];
  const bool waits = past_caches && stride == 1 && !as_log && n <= kSoftmaxRow;
  RowWriter<T> writer(waits || (past_caches && stride == 1 && as_log));
  for_problems<T>(count, n, stride, [&](auto g, int64_t at, int64_t) {
    const T* px = x + at;
    T* py = y + at;
    const vec<T> m = g.max(px);
    auto shifted = [=](int64_t i) { return g.load(px, i, lowest<T>()) - m; };
    if (as_log) {
      const vec<T> lse = log(g.sum([=](int64_t i) { return exp(shifted(i)); }));
      g.write(writer, py, [=](int64_t o, int k) __attribute__((always_inline)) {
        return load_k<T>(px + o, k) - m - lse;
      });
    } else {
      T* pe = waits ? row : py;
      const vec<T> total = g.sum([=](int64_t i) {
        vec<T> e = exp(shifted(i));
        g.store(pe, i, e);
        return e;
      });
      const vec<T> r = T(1) / total;
      g.write(writer, py, [=](int64_t o, int k) __attribute__((always_inline)) {
        return load_k<T>(pe + o, k) * r;
      });
    }
  });
}

// dx = y (dy - sum dy y); of the logarithm: dx = dy - exp(y) sum dy.
template <class T>
void softmax_backward(bool as_log, int64_t count, int64_t n, int64_t stride, const T* dy,
                      const T* y, T* dx) {
  for_problems<T>(count, n, stride, [=](auto g, int64_t at, int64_t) {
    auto d = [=](int64_t i) { return g.load(dy + at, i, T(0)); };
    auto v = [=](int64_t i) { return g.load(y + at, i, T(0)); };
    if (as_log) {
      const vec<T> s = g.sum(d);
      for (int64_t i = 0; i < g.steps; ++i) g.store(dx + at, i, d(i) - exp(v(i)) * s);
    } else {
      const vec<T> s = g.sum([=](int64_t i) { return d(i) * v(i); });
      for (int64_t i = 0; i < g.steps; ++i) g.store(dx + at, i, v(i) * (d(i) - s));
    }
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
    const vec<T> s = g.sum([=](int64_t i) { return exp(g.load(px, i, lowest<T>()) - m); });
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
    for (int64_t i = 0; i < g.steps; ++i)
      g.store(dx + at, i, exp(g.load(x + at, i, T(0)) - m) * scale);
    for (int l = 0; l < g.problems(); ++l) {
      const int64_t t = target[first + l];
      if (is_class(t, n, ignored)) dx[at + g.at(t, l)] -= dy[first + l];
    }
  });
}

}  // namespace
}  // namespace nnf
