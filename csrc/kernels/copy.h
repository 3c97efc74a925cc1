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

// y[j * ldy + i] = x[i * ldx + j] for i < n, j < m. past_caches as in MapArgs.
template <class T>
void copy_transposed(int64_t n, int64_t m, const T* x, int64_t ldx, T* y, int64_t ldy,
                     bool past_caches) {
  constexpr int L = kLanes<T>, kAhead = 2 * L;
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
