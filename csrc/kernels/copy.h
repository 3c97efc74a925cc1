// Copies: of rows, and of a matrix transposed.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/table.h"
#include "kernels/transpose.h"
#include "simd/vec.h"

namespace nnf {
namespace {

// y = a, see MapArgs.
template <class T>
void copy(const MapArgs<T>& g) {
  map_loop<T, 1>(g, [](vec<T> a, vec<T>, vec<T>, vec<T>, vec<T>) { return a; });
}

// y[2 j] = a[j], y[2 j + 1] = b[j] for j < m.
template <class T>
NNF_INLINE void copy_in_turns(int64_t m, const T* a, const T* b, T* y) {
  constexpr int L = kLanes<T>;
  for_lanes<T>(m, [&](int64_t j, int k) __attribute__((always_inline)) {
    vec<T> low, high;
    interleave<T>(load_k<T>(a + j, k), load_k<T>(b + j, k), low, high);
    store_k<T>(y + 2 * j, low, 2 * k < L ? 2 * k : L);
    if (2 * k > L) store_k<T>(y + 2 * j + L, high, 2 * k - L);
  });
}

// a[i] = x[2 i], b[i] = x[2 i + 1] for i < n.
template <class T>
NNF_INLINE void copy_apart(int64_t n, const T* x, T* a, T* b) {
  constexpr int L = kLanes<T>;
  for_lanes<T>(n, [&](int64_t i, int k) __attribute__((always_inline)) {
    const T* p = x + 2 * i;
    const vec<T> low = load_k<T>(p, 2 * k < L ? 2 * k : L);
    const vec<T> high = 2 * k > L ? load_k<T>(p + L, 2 * k - L) : vec<T>{};
    store_k<T>(a + i, even_lanes<T>(low, high), k);
    store_k<T>(b + i, odd_lanes<T>(low, high), k);
  });
}

// y[j * ldy + i] = x[i * ldx + j] for i < n, j < m. past_caches as in MapArgs.
template <class T>
void copy_transposed(int64_t n, int64_t m, const T* x, int64_t ldx, T* y, int64_t ldy,
                     bool past_caches) {
  constexpr int L = kLanes<T>, kAhead = 2 * L;
  if (n == 2 && ldy == 2) return copy_in_turns<T>(m, x, x + ldx, y);
  if (m == 2 && ldx == 2) return copy_apart<T>(n, x, y, y + ldy);
  // A vector is a whole line, and all rows begin with one.
  const bool lines = sizeof(vec<T>) == kLine && to_line(y) == 0 && to_line(y + ldy) == 0;
  for (int64_t j = 0; j < m; j += L)
    for (int64_t i = 0; i < n; i += L) {
      const int rows = n - i < L ? int(n - i) : L, cols = m - j < L ? int(m - j) : L;
      const T* from = x + i * ldx + j;
      for (int l = 0; l < rows; ++l) __builtin_prefetch(from + l * ldx + kAhead);
      T* to = y + j * ldy + i;
      vec<T> r[L];
      if (rows == L && cols == L) {
#pragma GCC unroll 16
        for (int l = 0; l < L; ++l) r[l] = load<T>(from + l * ldx);
        transpose<T>(r);
        if (past_caches && lines) {
#pragma GCC unroll 16
          for (int l = 0; l < L; ++l) stream<T>(to + l * ldy, r[l]);
        } else {
#pragma GCC unroll 16
          for (int l = 0; l < L; ++l) store<T>(to + l * ldy, r[l]);
        }
      } else {
        for (int l = 0; l < L; ++l) r[l] = l < rows ? load_n<T>(from + l * ldx, cols) : vec<T>{};
        transpose<T>(r);
        for (int l = 0; l < cols; ++l) store_n<T>(to + l * ldy, r[l], rows);
      }
    }
  if (past_caches) stream_fence();
}

}  // namespace
}  // namespace nnf
