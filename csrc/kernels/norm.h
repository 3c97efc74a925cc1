// Normalization: sums about a center, the maps before and after them, and all of it for one row.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/reduce.h"
#include "kernels/table.h"
#include "simd/vec.h"

namespace nnf {
namespace {

// The sum of (x - center)^2.
template <class T>
T centered_squares_rows(int64_t rows, const T* x, int64_t stride, int64_t n, T center) {
  VirtualLanes<T, Sum> lanes;
  const vec<T> c = set1<T>(center);
  for (int64_t i = 0; i < rows; ++i, x += stride)
    lanes.add(n, [=](int64_t j, int k) {
      const vec<T> d = load_k<T>(x + j, k, center) - c;
      return d * d;
    });
  return lanes.result();
}

// For each of n columns y[j] = the sum over rows of a (x - center), or of (x - center)^2 if a is
// null. a and x have one layout.
template <class T>
void centered_dot_cols(int64_t rows, const T* a, const T* x, int64_t stride, int64_t n,
                       const T* center, T* y) {
  reduce_columns<T, Sum>(rows, n, y, [=](int64_t i, int64_t j, int k) {
    vec<T> d = load_k<T>(x + i * stride + j, k, T(0)) - load_k<T>(center + j, k, T(0));
    return a ? load_k<T>(a + i * stride + j, k, T(0)) * d : d * d;
  });
}

// Elements of dy that relu lets pass, if it was given y = d scale + bias, d = x - center.
template <class T>
NNF_INLINE vec<T> passed(vec<T> dy, vec<T> d, vec<T> scale, vec<T> bias) {
  return fma(d, scale, bias) > 0 ? dy : vec<T>{};
}

template <class T, bool relu>
void sum_and_dot(int64_t rows, const T* a, const T* x, int64_t stride, int64_t n, T center,
                 const T* line, T* sums) {
  constexpr int L = kLanes<T>, A = kAccumulators<T>;
  VirtualLanes<T, Sum> sum, dot;
  const vec<T> c = set1<T>(center);
  const vec<T> scale = relu ? set1<T>(line[0]) : vec<T>{}, bias = relu ? set1<T>(line[1]) : scale;
  for (int64_t i = 0; i < rows; ++i, a += stride, x += stride) {
    auto centered = [=](int64_t j, int k)
                        __attribute__((always_inline)) { return load_k<T>(x + j, k, center) - c; };
    auto value = [=](vec<T> d, int64_t j, int k) __attribute__((always_inline)) {
      const vec<T> v = load_k<T>(a + j, k);
      return relu ? passed<T>(v, d, scale, bias) : v;
    };
    int64_t done = 0;
    if constexpr (2 * A < NNF_VECTOR_REGISTERS)
      for (; done + A * L <= n; done += A * L) {
#pragma GCC unroll 16
        for (int r = 0; r < A; ++r) {
          const vec<T> d = centered(done + r * L, L);
          vec<T> v = value(d, done + r * L, L);
          in_register(v);
          sum.acc[r] = sum.acc[r] + v;
          dot.acc[r] = dot.acc[r] + v * d;
        }
      }
    sum.add(n - done, [=](int64_t j, int k) __attribute__((always_inline)) {
      return value(relu ? centered(done + j, k) : vec<T>{}, done + j, k);
    });
    dot.add(n - done, [=](int64_t j, int k) __attribute__((always_inline)) {
      const vec<T> d = centered(done + j, k);
      return value(d, done + j, k) * d;
    });
  }
  sums[0] = sum.result(), sums[1] = dot.result();
}

// sums[0] = the sum of a, sums[1] = that of a (x - center), side by side if the registers suffice.
// `line`: scale and bias, of what relu lets pass of a alone; or null.
template <class T>
void sum_and_dot_rows(int64_t rows, const T* a, const T* x, int64_t stride, int64_t n, T center,
                      const T* line, T* sums) {
  (line ? sum_and_dot<T, true> : sum_and_dot<T, false>)(rows, a, x, stride, n, center, line, sums);
}

// A parameter: one for the row, or one a column.
template <class T>
NNF_INLINE vec<T> parameter(const T* p, bool columns, int64_t j, int k) {
  return columns ? load_k<T>(p + j, k) : set1<T>(*p);
}

// Calls value(row offset, parameter offset, j, k) for the vectors of `rows` rows of y, to be stored
// there. Parameters are one a row, or one a column.
template <class T, class F>
NNF_INLINE void for_parameters(int64_t rows, int64_t stride, int64_t n, bool columns, T* y,
                               bool past_caches, F value) {
  RowWriter<T> writer(past_caches);
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t at = i * stride, p = columns ? 0 : i;
    writer.write(n, y + at, [=](int64_t j, int k) __attribute__((always_inline)) {
      return value(at + j, p, j, k);
    });
  }
}

// y = (x - center) scale + shift, plus the residual, if there is one, and through relu, if so said.
// y may be x. past_caches as in MapArgs.
template <class T>
void normalize(int64_t rows, const T* x, int64_t stride, int64_t n, const T* center, const T* scale,
               const T* shift, bool columns, const T* residual, bool relu, T* y, bool past_caches) {
  auto value = [=](int64_t at, int64_t p, int64_t j, int k) __attribute__((always_inline)) {
    const vec<T> d = load_k<T>(x + at, k) - parameter(center + p, columns, j, k);
    vec<T> v = fma(d, parameter(scale + p, columns, j, k), parameter(shift + p, columns, j, k));
    if (residual) v = v + load_k<T>(residual + at, k);
    return relu ? (v < 0 ? vec<T>{} : v) : v;
  };
  for_parameters(rows, stride, n, columns, y, past_caches, value);
}

// dx = scale (dy factor - shift - (x - center) slope), the factor 1 if it is null; of what relu
// lets pass of dy alone, if there is a bias. dx may be dy.
template <class T>
void normalize_backward(int64_t rows, const T* dy, const T* x, int64_t stride, int64_t n,
                        const T* factor, const T* center, const T* scale, const T* shift,
                        const T* slope, const T* bias, bool columns, T* dx, bool past_caches) {
  auto value = [=](int64_t at, int64_t p, int64_t j, int k) __attribute__((always_inline)) {
    const vec<T> c = parameter(center + p, columns, j, k), s = parameter(scale + p, columns, j, k);
    const vec<T> d = c - load_k<T>(x + at, k);
    vec<T> g = load_k<T>(dy + at, k);
    if (bias) g = passed<T>(g, -d, s, parameter(bias + p, columns, j, k));
    if (factor) g = g * parameter(factor + p, columns, j, k);
    return s * fma(d, parameter(slope + p, columns, j, k), g - parameter(shift + p, columns, j, k));
  };
  for_parameters(rows, stride, n, columns, dx, past_caches, value);
}

// ---- layer normalization ------------------------------------------------------------------

constexpr int64_t kNormPart = 4096;  // elements that are summed as they are

// The sum of f(j, k) over n elements, k lanes of which count: the others must be 0.
template <class T, class F>
NNF_INLINE T row_sum(int64_t n, F f) {
  double total = 0;
  for (int64_t i = 0; i < n; i += kNormPart) {
    VirtualLanes<T, Sum> lanes;
    const int64_t part = n - i < kNormPart ? n - i : kNormPart;
    lanes.add(part, [=](int64_t j, int k) __attribute__((always_inline)) { return f(i + j, k); });
    if (n <= kNormPart) return lanes.result();
    total += double(lanes.result());
  }
  return T(total);
}

// Each row of n by its own mean and rstd = 1 / sqrt(variance + eps):
// y = (x - mean) rstd w + b, w and b may be null.
template <class T>
void layer_norm(int64_t rows, int64_t n, const T* x, const T* w, const T* b, double eps, T* y,
                T* mean, T* rstd, bool past_caches) {
  RowWriter<T> writer(past_caches);
  for (int64_t i = 0; i < rows; ++i, x += n, y += n) {
    const T m = row_sum<T>(n, [=](int64_t j, int k) { return load_k<T>(x + j, k); }) / T(n);
    const vec<T> c = set1<T>(m);
    const T square = row_sum<T>(n, [=](int64_t j, int k) {
      const vec<T> d = load_k<T>(x + j, k, m) - c;
      return d * d;
    });
    const T r = T(1) / T(__builtin_sqrt(double(square / T(n)) + eps));
    const vec<T> scale = set1<T>(r), none{};
    mean[i] = m, rstd[i] = r;
    auto value = [=](int64_t j, int k) __attribute__((always_inline)) {
      const vec<T> normal = (load_k<T>(x + j, k) - c) * scale;
      const vec<T> shift = b ? load_k<T>(b + j, k) : none;
      return w ? fma(normal, load_k<T>(w + j, k), shift) : normal + shift;
    };
    writer.write(n, y, value);
  }
}

// The gradients of these rows, g = dy w and z = (x - mean) rstd:
// dx = rstd (g - mean of g - z (mean of g z)); and added up over the rows dw = dy z, db = dy.
template <class T>
void layer_norm_backward(int64_t rows, int64_t n, const T* dy, const T* x, const T* mean,
                         const T* rstd, const T* w, T* dx, T* dw, T* db, bool past_caches) {
  RowWriter<T> writer(past_caches);
  __builtin_memset(dw, 0, size_t(n) * sizeof(T));
  __builtin_memset(db, 0, size_t(n) * sizeof(T));
  for (int64_t i = 0; i < rows; ++i, dy += n, x += n, dx += n) {
    const T m = mean[i];
    const vec<T> c = set1<T>(m), r = set1<T>(rstd[i]);
    auto g = [=](int64_t j, int k) __attribute__((always_inline)) {
      const vec<T> d = load_k<T>(dy + j, k);
      return w ? d * load_k<T>(w + j, k) : d;
    };
    const T sum = row_sum<T>(n, g);
    const T dot = row_sum<T>(n, [=](int64_t j, int k) __attribute__((always_inline)) {
      return g(j, k) * (load_k<T>(x + j, k, m) - c);
    });
    const vec<T> shift = set1<T>(sum / T(n)), slope = set1<T>(dot / T(n) * rstd[i] * rstd[i]);
    auto value = [=](int64_t j, int k) __attribute__((always_inline)) {
      const vec<T> d = load_k<T>(x + j, k, m) - c, e = load_k<T>(dy + j, k);
      store_k<T>(dw + j, fma(e, d * r, load_k<T>(dw + j, k)), k);
      store_k<T>(db + j, load_k<T>(db + j, k) + e, k);
      return r * (g(j, k) - shift - d * slope);
    };
    writer.write(n, dx, value);
  }
}

}  // namespace
}  // namespace nnf
