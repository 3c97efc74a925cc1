// Batch normalization: sums about a center, and the maps before and after them.
//
// The elements of a channel are `rows` rows of n, `stride` apart (step 0: one channel, one value of
// each parameter), or the n columns are channels (step 1: parameters have n values).
#pragma once

#include "kernels/elementwise.h"
#include "kernels/reduce.h"
#include "kernels/table.h"
#include "simd/vec.h"

namespace nnf {
namespace {

// The sum of a (x - center), or of (x - center)^2 if a is null. a and x have one layout.
template <class T>
T centered_dot_rows(int64_t rows, const T* a, const T* x, int64_t stride, int64_t n, T center) {
  VirtualLanes<T, Sum> lanes;
  const vec<T> c = set1<T>(center);
  for (int64_t i = 0; i < rows; ++i) {
    const T* px = x + i * stride;
    if (a) {
      const T* pa = a + i * stride;
      lanes.add(n, [=](int64_t j, int k) {
        return load_k<T>(pa + j, k, T(0)) * (load_k<T>(px + j, k, center) - c);
      });
    } else {
      lanes.add(n, [=](int64_t j, int k) {
        vec<T> d = load_k<T>(px + j, k, center) - c;
        return d * d;
      });
    }
  }
  return lanes.result();
}

// The same for each of n columns: y[j] = sum over rows.
template <class T>
void centered_dot_cols(int64_t rows, const T* a, const T* x, int64_t stride, int64_t n,
                       const T* center, T* y) {
  reduce_columns<T, Sum>(rows, n, y, [=](int64_t i, int64_t j, int k) {
    vec<T> d = load_k<T>(x + i * stride + j, k, T(0)) - load_k<T>(center + j, k, T(0));
    return a ? load_k<T>(a + i * stride + j, k, T(0)) * d : d * d;
  });
}

// A parameter: one value, or one a column.
template <class T>
NNF_INLINE vec<T> parameter(const T* p, int step, int64_t j, int k) {
  return step ? load_k<T>(p + j, k, T(0)) : set1<T>(*p);
}

// y = (x - center) scale + shift. y may be x.
template <class T>
void normalize(int64_t rows, const T* x, int64_t stride, int64_t n, const T* center, const T* scale,
               const T* shift, int step, T* y) {
  constexpr int L = kLanes<T>;
  for (int64_t i = 0; i < rows; ++i, x += stride, y += stride)
    for (int64_t j = 0; j < n; j += L) {
      const int k = n - j < L ? int(n - j) : L;
      vec<T> d = load_k<T>(x + j, k, T(0)) - parameter(center, step, j, k);
      store_k<T>(y + j, fma(d, parameter(scale, step, j, k), parameter(shift, step, j, k)), k);
    }
}

// dx = scale (dy - shift - (x - center) slope). dx may be dy.
template <class T>
void normalize_backward(int64_t rows, const T* dy, const T* x, int64_t stride, int64_t n,
                        const T* center, const T* scale, const T* shift, const T* slope, int step,
                        T* dx) {
  constexpr int L = kLanes<T>;
  for (int64_t i = 0; i < rows; ++i, x += stride, dy += stride, dx += stride)
    for (int64_t j = 0; j < n; j += L) {
      const int k = n - j < L ? int(n - j) : L;
      vec<T> d = parameter(center, step, j, k) - load_k<T>(x + j, k, T(0));
      vec<T> e = load_k<T>(dy + j, k, T(0)) - parameter(shift, step, j, k);
      store_k<T>(dx + j, parameter(scale, step, j, k) * fma(d, parameter(slope, step, j, k), e), k);
    }
}

}  // namespace
}  // namespace nnf
