// What happens to finished elements of a matrix product while they are in cache.
#pragma once

#include "kernels/table.h"
#include "simd/math.h"
#include "simd/vec.h"

namespace nnf {
namespace {

template <class T>
NNF_INLINE vec<T> activate(vec<T> x, Activation act, T slope) {
  switch (act) {
    case Activation::none:
      return x;
    case Activation::relu:
      return x < 0 ? vec<T>{} : x;
    case Activation::leaky_relu:
      return x < 0 ? slope * x : x;
    case Activation::sigmoid:
      return sigmoid(x);
    case Activation::tanh:
      return tanh(x);
    case Activation::gelu:
      return gelu(x);
  }
  return x;
}

// The first r lanes from elements p, p + step, ...
template <class T>
NNF_INLINE vec<T> load_steps(const T* p, int64_t step, int r) {
  if (step == 1) return r == kLanes<T> ? load<T>(p) : load_n<T>(p, r);
  vec<T> v{};
  for (int l = 0; l < r; ++l) v[l] = p[l * step];
  return v;
}

// C (m x n, row stride ldc) as Epilogue says.
template <class T>
void epilogue(int64_t m, int64_t n, T* c, int64_t ldc, const Epilogue<T>& ep) {
  constexpr int L = kLanes<T>;
  for (int64_t i = 0; i < m; ++i) {
    T* row = c + i * ldc;
    const vec<T> row_bias = ep.row_bias ? set1<T>(ep.row_bias[i]) : vec<T>{};
    const T* residual = ep.residual ? ep.residual + i * ep.residual_rs : nullptr;
    for (int64_t j = 0; j < n; j += L) {
      const int r = n - j < L ? int(n - j) : L;
      vec<T> x = r == L ? load<T>(row + j) : load_n<T>(row + j, r);
      if (ep.row_bias) x = x + row_bias;
      if (ep.col_bias) x = x + load_steps<T>(ep.col_bias + j * ep.col_step, ep.col_step, r);
      if (residual) x = x + load_steps<T>(residual + j * ep.residual_cs, ep.residual_cs, r);
      x = activate<T>(x, ep.act, ep.slope);
      if (r == L)
        store<T>(row + j, x);
      else
        store_n<T>(row + j, x, r);
    }
  }
}

}  // namespace
}  // namespace nnf
