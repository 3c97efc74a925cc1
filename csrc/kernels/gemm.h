// The inner part of a matrix product: packing into panels, the register tile.
//
// A panel of A holds kMR rows: element (i, k) at [k * kMR + i]; a panel of B holds kNR columns:
// (k, j) at [k * kNR + j]. Rows and columns past the edge are zero.
#pragma once

#include "kernels/table.h"
#include "kernels/transpose.h"
#include "simd/vec.h"

namespace nnf {
namespace {

// The tile fills the register file but for two vectors of B and what A needs: 14 x 2 vectors of 32
// registers with AVX-512, which broadcasts from memory, 12 x 2 of 32 with NEON, 6 x 2 of 16 else.
template <class T>
constexpr int kMR = NNF_VECTOR_BYTES == 64       ? 14
                    : NNF_VECTOR_REGISTERS == 32 ? 12
                                                 : 6;
template <class T>
constexpr int kNR = 2 * kLanes<T>;

template <class T, int M, int V>
void tile(int64_t kc, const T* a, const T* b, T* c, int64_t ldc, int n, bool accumulate) {
  constexpr int L = kLanes<T>;
  vec<T> acc[M][V] = {};
  for (int i = 0; i < M; ++i)
    for (int v = 0; v < V; ++v) __builtin_prefetch(c + i * ldc + v * L, 1);
  for (int64_t k = 0; k < kc; ++k, a += kMR<T>, b += kNR<T>) {
    vec<T> bv[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) bv[v] = load<T>(b + v * L);
#pragma GCC unroll 14
    for (int i = 0; i < M; ++i) {
      vec<T> ai = set1<T>(a[i]);
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) acc[i][v] = fma(ai, bv[v], acc[i][v]);
    }
  }
  const int last = n - (V - 1) * L;  // columns in the last vector
#pragma GCC unroll 14
  for (int i = 0; i < M; ++i) {
    T* row = c + i * ldc;
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      T* p = row + v * L;
      if (v < V - 1 || last == L) {
        store<T>(p, accumulate ? load<T>(p) + acc[i][v] : acc[i][v]);
      } else {
        store_n<T>(p, accumulate ? load_n<T>(p, last) + acc[i][v] : acc[i][v], last);
      }
    }
  }
}

template <class T, int M>
void tile_rows(int64_t kc, const T* a, const T* b, T* c, int64_t ldc, int m, int n,
               bool accumulate) {
  if constexpr (M > 1) {
    if (m < M) return tile_rows<T, M - 1>(kc, a, b, c, ldc, m, n, accumulate);
  }
  if (n > kLanes<T>)
    tile<T, M, 2>(kc, a, b, c, ldc, n, accumulate);
  else
    tile<T, M, 1>(kc, a, b, c, ldc, n, accumulate);
}

// C (m x n, row stride ldc) = or += A B over kc, from one panel of each; 1 <= m <= kMR,
// 1 <= n <= kNR. Each element sums its kc products in order of k, starting from 0.
template <class T>
void gemm_tile(int64_t kc, const T* a, const T* b, T* c, int64_t ldc, int m, int n,
               bool accumulate) {
  tile_rows<T, kMR<T>>(kc, a, b, c, ldc, m, n, accumulate);
}

// One panel of r <= kMR rows whose elements follow each other along k, transposed in registers.
template <class T>
NNF_INLINE void pack_a_rows(int r, int64_t k, const T* a, int64_t rs, T alpha, T* panel) {
  constexpr int R = kMR<T>, L = kLanes<T>;
  for (int64_t p = 0; p < k; p += L) {
    const int q = k - p < L ? int(k - p) : L;
    for (int i0 = 0; i0 < R; i0 += L) {
      vec<T> v[L];
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) {
        const T* src = a + (i0 + i) * rs + p;
        v[i] = i0 + i >= r ? vec<T>{} : alpha * (q == L ? load<T>(src) : load_n<T>(src, q));
      }
      transpose<T>(v);
      T* dst = panel + p * R + i0;
      const int rows = R - i0 < L ? R - i0 : L;
#pragma GCC unroll 16
      for (int l = 0; l < L; ++l) {
        if (l >= q) break;
        if (rows == L)
          store<T>(dst + l * R, v[l]);
        else
          store_n<T>(dst + l * R, v[l], rows);
      }
    }
  }
}

// alpha * A (m x k, strides rs cs) into panels.
template <class T>
void pack_a(int64_t m, int64_t k, const T* a, int64_t rs, int64_t cs, T alpha, T* panels) {
  constexpr int R = kMR<T>;
  for (int64_t i0 = 0; i0 < m; i0 += R, panels += R * k) {
    const int r = m - i0 < R ? int(m - i0) : R;
    const T* src = a + i0 * rs;
    if (cs == 1) {
      pack_a_rows<T>(r, k, src, rs, alpha, panels);
    } else if (rs == 1) {
      for (int64_t p = 0; p < k; ++p)
        for (int i = 0; i < R; ++i) panels[p * R + i] = i < r ? alpha * src[i + p * cs] : T(0);
    } else {
      for (int i = 0; i < R; ++i)
        for (int64_t p = 0; p < k; ++p)
          panels[p * R + i] = i < r ? alpha * src[i * rs + p * cs] : T(0);
    }
  }
}

// B (k x n, strides rs cs) into panels.
template <class T>
void pack_b(int64_t k, int64_t n, const T* b, int64_t rs, int64_t cs, T* panels) {
  constexpr int R = kNR<T>, L = kLanes<T>;
  for (int64_t j0 = 0; j0 < n; j0 += R, panels += R * k) {
    const int r = n - j0 < R ? int(n - j0) : R;
    const T* src = b + j0 * cs;
    if (cs == 1 && r == R) {
      for (int64_t p = 0; p < k; ++p) {
        store<T>(panels + p * R, load<T>(src + p * rs));
        store<T>(panels + p * R + L, load<T>(src + p * rs + L));
      }
    } else if (cs == 1) {
      for (int64_t p = 0; p < k; ++p) {
        const int r0 = r < L ? r : L;
        store<T>(panels + p * R, load_n<T>(src + p * rs, r0));
        store<T>(panels + p * R + L, load_n<T>(src + p * rs + r0, r - r0));
      }
    } else {
      for (int j = 0; j < R; ++j)
        for (int64_t p = 0; p < k; ++p) panels[p * R + j] = j < r ? src[p * rs + j * cs] : T(0);
    }
  }
}

}  // namespace
}  // namespace nnf
