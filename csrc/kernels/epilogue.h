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

// A column of vectors of r elements from j on, where the elements of all that is added lie side by
// side and `act` is cheap: quick, for it is done for every tile of a product.
template <class T, Activation act>
NNF_INLINE void finish_column(int64_t m, int64_t j, int r, T* c, int64_t ldc,
                              const Epilogue<T>& ep) {
  const vec<T> bias = ep.col_bias ? load_k<T>(ep.col_bias + j, r) : vec<T>{};
  const T* residual = ep.residual ? ep.residual + j : nullptr;
  c += j;
  for (int64_t i = 0; i < m; ++i, c += ldc) {
    vec<T> x = load_k<T>(c, r);
    if (ep.row_bias) x = x + set1<T>(ep.row_bias[i]);
    if (ep.col_bias) x = x + bias;
    if (residual) x = x + load_k<T>(residual + i * ep.residual_rs, r);
    store_k<T>(c, activate<T>(x, act, T(0)), r);
  }
}

template <class T, Activation act>
void finish(int64_t m, int64_t n, T* c, int64_t ldc, const Epilogue<T>& ep) {
  constexpr int L = kLanes<T>;
  int64_t j = 0;
  for (; n - j >= L; j += L) finish_column<T, act>(m, j, L, c, ldc, ep);
  if (n > j) finish_column<T, act>(m, j, int(n - j), c, ldc, ep);
}

// C (m x n, row stride ldc) as Epilogue says.
template <class T>
void epilogue(int64_t m, int64_t n, T* c, int64_t ldc, const Epilogue<T>& ep) {
  constexpr int L = kLanes<T>;
  if (ep.col_step == 1 && ep.residual_cs == 1) {
    if (ep.act == Activation::none) return finish<T, Activation::none>(m, n, c, ldc, ep);
    if (ep.act == Activation::relu) return finish<T, Activation::relu>(m, n, c, ldc, ep);
  }
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
