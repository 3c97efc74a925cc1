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

// Vector k of n: of what n vectors r hold, element i * kLanes + l of r[i], those in turns (elements
// k * kLanes to (k + 1) * kLanes of r[0][0] r[1][0] ... r[0][1] ...), or each n-th from k on.
template <class T, int n, int k, bool in_turns>
NNF_INLINE vec<T> picked(const vec<T> (&r)[n]) {
  constexpr int L = kLanes<T>;
  vec<T> v = r[0];
#pragma GCC unroll 8
  for (int s = 1; s < n; ++s) {
    mask<T> from{};
#pragma GCC unroll 16
    for (int l = 0; l < L; ++l) {
      const int place = in_turns ? k * L + l : l * n + k;
      const int source = in_turns ? place % n : place / L, lane = in_turns ? place / n : place % L;
      from[l] = int_of<T>(source == s ? L + lane : s == 1 && source == 0 ? lane : l);
    }
    v = __builtin_shuffle(v, r[s], from);
  }
  return v;
}

template <class T, int n, bool in_turns, int k = 0>
NNF_INLINE void store_picked(const vec<T> (&r)[n], T* y, int64_t step) {
  if constexpr (k < n) {
    store<T>(y + k * step, picked<T, n, k, in_turns>(r));
    store_picked<T, n, in_turns, k + 1>(r, y, step);
  }
}

// n runs of m elements, ldx apart, in turns to y; or, from what lies in turns, to n runs ldy apart.
template <class T, int n, bool in_turns>
NNF_INLINE void copy_few(int64_t m, const T* x, int64_t ldx, T* y, int64_t ldy) {
  constexpr int L = kLanes<T>;
  int64_t j = 0;
  for (; j + L <= m; j += L) {
    vec<T> r[n];
#pragma GCC unroll 8
    for (int i = 0; i < n; ++i) r[i] = load<T>(in_turns ? x + i * ldx + j : x + j * n + i * L);
    store_picked<T, n, in_turns>(r, in_turns ? y + j * n : y + j, in_turns ? L : ldy);
  }
  for (; j < m; ++j)
    for (int i = 0; i < n; ++i)
      y[in_turns ? j * n + i : i * ldy + j] = x[in_turns ? i * ldx + j : j * n + i];
}

// Whether there were few enough runs.
template <class T, bool in_turns>
NNF_INLINE bool copy_narrow(int64_t n, int64_t m, const T* x, int64_t ldx, T* y, int64_t ldy) {
  switch (n) {
    case 3:
      return copy_few<T, 3, in_turns>(m, x, ldx, y, ldy), true;
    case 4:
      return copy_few<T, 4, in_turns>(m, x, ldx, y, ldy), true;
    case 5:
      return copy_few<T, 5, in_turns>(m, x, ldx, y, ldy), true;
    case 6:
      return copy_few<T, 6, in_turns>(m, x, ldx, y, ldy), true;
    case 7:
      return copy_few<T, 7, in_turns>(m, x, ldx, y, ldy), true;
    default:
      return false;
  }
}

// y[j * ldy + i] = x[i * ldx + j] for i < n, j < m. past_caches as in MapArgs.
template <class T>
void copy_transposed(int64_t n, int64_t m, const T* x, int64_t ldx, T* y, int64_t ldy,
                     bool past_caches) {
  constexpr int L = kLanes<T>, kAhead = 2 * L;
  if (n == 2 && ldy == 2) return copy_in_turns<T>(m, x, x + ldx, y);
  if (m == 2 && ldx == 2) return copy_apart<T>(n, x, y, y + ldy);
  if (n == ldy && copy_narrow<T, true>(n, m, x, ldx, y, ldy)) return;
  if (m == ldx && copy_narrow<T, false>(m, n, x, ldx, y, ldy)) return;
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
