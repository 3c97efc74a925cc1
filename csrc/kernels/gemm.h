// The inner part of a matrix product: packing into panels, the register tile.
//
// A panel of A holds kMR rows: element (i, k) at [k * kMR + i]; a panel of B holds kNR columns:
// (k, j) at [k * kNR + j]. A vector of the last panel that is cut by the edge of the matrix is
// filled with zeros; vectors past it are undefined.
#pragma once

#include "kernels/epilogue.h"
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

// C = or += what was summed, and then as `ep` says of the columns from j on, if there is one; the
// last vector of a row has `last` columns.
template <class T, int M, int V>
NNF_INLINE void store_tile(vec<T> (&acc)[M][V], T* c, int64_t ldc, int last, bool accumulate,
                           const Epilogue<T>* ep, int64_t j) {
  constexpr int L = kLanes<T>;
  if (accumulate) {
#pragma GCC unroll 14
    for (int i = 0; i < M; ++i) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v)
        acc[i][v] = load_k<T>(c + i * ldc + v * L, v < V - 1 ? L : last) + acc[i][v];
    }
  }
  if (ep && ep->col_bias) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      const vec<T> bias = load_k<T>(ep->col_bias + j + v * L, v < V - 1 ? L : last);
#pragma GCC unroll 14
      for (int i = 0; i < M; ++i) acc[i][v] = acc[i][v] + bias;
    }
  }
  if (ep && ep->act == Activation::relu) {
#pragma GCC unroll 14
    for (int i = 0; i < M; ++i) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) acc[i][v] = activate<T>(acc[i][v], Activation::relu, T(0));
    }
  }
#pragma GCC unroll 14
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) store_k<T>(c + i * ldc + v * L, acc[i][v], v < V - 1 ? L : last);
  }
}

// Where rows of A begin that are rs apart: a pointer for each three of them, as an address can add
// one or two rs. Compilers must not see more in it: they would hold an offset for each row, more
// than there are registers for.
template <class T, int M>
struct RowPointers {
  static constexpr int kPointers = (M + 2) / 3;
  const T* p[kPointers];

  NNF_INLINE RowPointers(const T* a, int64_t rs) {
#pragma GCC unroll 8
    for (int g = 0; g < kPointers; ++g) {
      p[g] = a + 3 * g * rs;
      asm("" : "+r"(p[g]));
    }
  }
  NNF_INLINE void advance(int64_t step) {
#pragma GCC unroll 8
    for (int g = 0; g < kPointers; ++g) p[g] += step;
  }
};

// acc += the products of a column of A and a row of B. RS is rs if that is 1, else 0.
template <class T, int M, int V, int RS>
NNF_INLINE void add_products(const RowPointers<T, RS ? 1 : M>& rows, int64_t rs, const T* b,
                             int64_t step, int last, vec<T> (&acc)[M][V]) {
  constexpr int L = kLanes<T>;
  vec<T> bv[V];
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) bv[v] = load_k<T>(b + v / 2 * step + v % 2 * L, v < V - 1 ? L : last);
#pragma GCC unroll 14
  for (int i = 0; i < M; ++i) {
    const vec<T> ai = set1<T>(RS ? rows.p[0][i] : rows.p[i / 3][i % 3 * rs]);
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) acc[i][v] = fma(ai, bv[v], acc[i][v]);
  }
}

// acc += A B over kc, while rows of C, which it is for, come near. Pairs of vectors of a row of B
// are `step` apart; its last vector has `last` columns.
template <class T, int M, int V, int RS>
NNF_INLINE void multiply(int64_t kc, const T* a, int64_t rs, int64_t cs, const T* b, int64_t ldb,
                         int64_t step, int last, const T* c, int64_t ldc, vec<T> (&acc)[M][V]) {
  RowPointers<T, RS ? 1 : M> rows(a, rs);
  int64_t k = 0;
  for (; k < M && k < kc; ++k, rows.advance(cs), b += ldb, c += ldc) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) __builtin_prefetch(c + v * kLanes<T>, 1);
    add_products<T, M, V, RS>(rows, rs, b, step, last, acc);
  }
  for (; k < kc; ++k, rows.advance(cs), b += ldb)
    add_products<T, M, V, RS>(rows, rs, b, step, last, acc);
}

template <class T, int M, int V>
void tile(int64_t kc, const T* a, const T* b, T* c, int64_t ldc, int n, bool accumulate,
          const Epilogue<T>* ep) {
  constexpr int L = kLanes<T>;
  vec<T> acc[M][V] = {};
  multiply<T, M, V, 1>(kc, a, 1, kMR<T>, b, kNR<T>, 0, L, c, ldc, acc);
  store_tile<T, M, V>(acc, c, ldc, n - (V - 1) * L, accumulate, ep, 0);
}

template <class T, int M>
void tile_rows(int64_t kc, const T* a, const T* b, T* c, int64_t ldc, int m, int n, bool accumulate,
               const Epilogue<T>* ep) {
  if constexpr (M > 1) {
    if (m < M) return tile_rows<T, M - 1>(kc, a, b, c, ldc, m, n, accumulate, ep);
  }
  if (n > kLanes<T>)
    tile<T, M, 2>(kc, a, b, c, ldc, n, accumulate, ep);
  else
    tile<T, M, 1>(kc, a, b, c, ldc, n, accumulate, ep);
}

// C (m x n, row stride ldc) = or += A B over kc, from one panel of each; 1 <= m <= kMR,
// 1 <= n <= kNR. Each element sums its kc products in order of k, starting from 0. If `ep`, which
// must be quick, is given, it follows.
template <class T>
void gemm_tile(int64_t kc, const T* a, const T* b, T* c, int64_t ldc, int m, int n, bool accumulate,
               const Epilogue<T>* ep) {
  tile_rows<T, kMR<T>>(kc, a, b, c, ldc, m, n, accumulate, ep);
}

// Of a strip, which begins at column j of C: A is read where it lies. Pairs of vectors of a row of
// B lie one after the other, with a short one at the end, or in panels.
template <class T, int M, int V, int RS>
void strip(int64_t kc, const T* a, int64_t rs, int64_t cs, const T* b, int64_t ldb, int64_t step,
           T* c, int64_t j, int64_t ldc, int n, bool accumulate, const Epilogue<T>* ep) {
  const int last = n - (V - 1) * kLanes<T>;
  vec<T> acc[M][V] = {};
  multiply<T, M, V, RS>(kc, a, rs, cs, b, ldb, step, last, c + j, ldc, acc);
  store_tile<T, M, V>(acc, c + j, ldc, last, accumulate, ep, j);
}

constexpr int kRowsAtOnce = 8;

// Elements from p on before the next whole vector.
template <class T>
NNF_INLINE int to_vector(const T* p) {
  return int(to_line(p) % kLanes<T>);
}

// sums[j] += R rows of B, one after the other, for j < n; the first `head` apart, so that the
// others are whole vectors in memory. If B is far, the next rows are asked for.
template <class T, int R>
NNF_INLINE void add_rows(const T* a, int64_t cs, const T* b, int64_t ldb, int head, int n, T* sums,
                         bool far) {
  constexpr int L = kLanes<T>;
  vec<T> ak[R];
  for (int r = 0; r < R; ++r) ak[r] = set1<T>(a[r * cs]);
  const auto add = [&](int j, int width) {
    vec<T> s = load_k<T>(sums + j, width);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const T* p = b + r * ldb + j;
      if (far) __builtin_prefetch(p + R * ldb, 0, 2);  // not into L1: rows may share a set
      s = fma(ak[r], load_k<T>(p, width), s);
    }
    store_k<T>(sums + j, s, width);
  };
  if (head) add(0, head);
  int j = head;
  for (; n - j >= L; j += L) add(j, L);
  if (n > j) add(j, n - j);
}

// A row of C = a B over kc, where the rows of B, ldb apart, have n columns: runs of them are added
// to sums that stay in L1, so memory is read in long runs.
template <class T>
void gemm_row(int64_t kc, const T* a, int64_t cs, const T* b, int64_t ldb, T* c, int64_t n,
              bool far) {
  constexpr int L = kLanes<T>, R = 8, kRun = 8192 / int(sizeof(T));
  alignas(kLine) T room[L + kRun];
  for (int64_t j0 = 0; j0 < n; j0 += kRun, b += kRun) {
    const int width = n - j0 < kRun ? int(n - j0) : kRun;
    const int head = width < L ? 0 : to_vector(b);
    T* sums = room + (L - head) % L;
    for (int j = 0; j < L + kRun && j < 2 * L + width; j += L) store<T>(room + j, vec<T>{});
    int64_t k = 0;
    for (; kc - k >= R; k += R)
      if (far)
        add_rows<T, R>(a + k * cs, cs, b + k * ldb, ldb, head, width, sums, true);
      else
        add_rows<T, R>(a + k * cs, cs, b + k * ldb, ldb, head, width, sums, false);
    for (; k < kc; ++k) add_rows<T, 1>(a + k * cs, cs, b + k * ldb, ldb, head, width, sums, false);
    for_lanes<T>(width,
                 [&](int64_t j, int r) { store_k<T>(c + j0 + j, load_k<T>(sums + j, r), r); });
  }
}

// The products of a and the L columns of B at b (fewer: `cols`) over a block, in order.
template <class T>
NNF_INLINE vec<T> dots(int64_t kc, const T* a, int64_t cs, const T* b, int64_t ldb, int cols) {
  constexpr int L = kLanes<T>;
  vec<T> sum{};
  int q = to_vector(b);  // up to a whole vector in memory; whole ones from there on
  for (int64_t k = 0; k < kc; k += q, q = L) {
    if (q == 0) q = L;
    if (kc - k < q) q = int(kc - k);
    vec<T> v[L];
    load_transposed<T>(b + k, ldb, cols, q, v);
#pragma GCC unroll 16
    for (int l = 0; l < L; ++l)
      if (l < q) sum = fma(set1<T>(a[(k + l) * cs]), v[l], sum);
  }
  return sum;
}

// The products of a and b over blocks of kc one after the other, `blocks` <= L: a lane for each.
template <class T>
NNF_INLINE vec<T> dots_of_blocks(int64_t kc, const T* a, const T* b, int blocks) {
  constexpr int L = kLanes<T>;
  vec<T> sum{};
  for (int64_t k = 0; k < kc; k += L) {
    const int q = kc - k < L ? int(kc - k) : L;
    vec<T> x[L], y[L];
    load_transposed<T>(a + k, kc, blocks, q, x);
    load_transposed<T>(b + k, kc, blocks, q, y);
#pragma GCC unroll 16
    for (int l = 0; l < L; ++l)
      if (l < q) sum = fma(x[l], y[l], sum);
  }
  return sum;
}

// The product of two vectors, each of which lies in a run: blocks are summed side by side.
template <class T>
NNF_INLINE T one_dot(int64_t K, int64_t kc, int64_t piece, const T* a, const T* b) {
  T all = 0, part = 0;
  for (int64_t k = 0; k < K;) {
    const int64_t left = (K - k) / kc, blocks = left < kLanes<T> ? left : kLanes<T>;
    const vec<T> sums = blocks ? dots_of_blocks<T>(kc, a + k, b + k, int(blocks))
                               : dots_of_blocks<T>(K - k, a + k, b + k, 1);
    for (int64_t i = 0; i < (blocks ? blocks : 1); ++i, k += kc) {
      part = k % piece ? part + sums[i] : sums[i];
      if (k + kc >= K || (k + kc) % piece == 0) all = k < piece ? part : all + part;
    }
  }
  return all;
}

// A row of C = a B over all K, where the columns of B lie side by side, ldb apart: squares are
// transposed in registers. Blocks of kc, and pieces of them, are summed as by the others.
template <class T>
void gemm_dots(int64_t K, int64_t kc, int64_t piece, const T* a, int64_t cs, const T* b,
               int64_t ldb, T* c, int64_t n) {
  if (n == 1 && cs == 1 && K > kc) {
    *c = one_dot<T>(K, kc, piece, a, b);
    return;
  }
  for_lanes<T>(n, [&](int64_t j, int cols) {
    vec<T> all{};
    for (int64_t k = 0; k < K;) {
      const int64_t end = K - k < piece ? K : k + piece;
      vec<T> part{};
      for (const int64_t begin = k; k < end; k += kc) {
        const vec<T> sum =
            dots<T>(end - k < kc ? end - k : kc, a + k * cs, cs, b + j * ldb + k, ldb, cols);
        part = k == begin ? sum : part + sum;
      }
      k = end;
      all = end <= piece ? part : all + part;
    }
    store_k<T>(c + j, all, cols);
  });
}

// Vectors of B that m rows of A are multiplied with at once: as many as there are registers for.
constexpr int wide(int m) {
  return m * 8 + 8 < NNF_VECTOR_REGISTERS ? 8 : m * 4 + 4 < NNF_VECTOR_REGISTERS ? 4 : 2;
}

template <class T, int M, int RS>
void strip_rows(int64_t kc, const T* a, int64_t rs, int64_t cs, const T* b, int64_t ldb,
                int64_t step, T* c, int64_t ldc, int m, int64_t n, bool accumulate,
                const Epilogue<T>* ep) {
  if constexpr (M > 1) {
    if (m < M)
      return strip_rows<T, M - 1, RS>(kc, a, rs, cs, b, ldb, step, c, ldc, m, n, accumulate, ep);
  }
  constexpr int L = kLanes<T>, W = wide(M);
  int64_t j = 0;
  const auto at = [&] { return b + j / kNR<T> * step; };
  if constexpr (W > 2)
    for (; n - j >= W * L; j += W * L)
      strip<T, M, W, RS>(kc, a, rs, cs, at(), ldb, step, c, j, ldc, W * L, accumulate, ep);
  for (; n - j > L; j += kNR<T>)
    strip<T, M, 2, RS>(kc, a, rs, cs, at(), ldb, step, c, j, ldc,
                       int(n - j < kNR<T> ? n - j : kNR<T>), accumulate, ep);
  if (n > j)
    strip<T, M, 1, RS>(kc, a, rs, cs, at(), ldb, step, c, j, ldc, int(n - j), accumulate, ep);
}

// C (m x n, row stride ldc) = or += A B over kc, 1 <= m <= kMR, and m <= kRowsInPlace unless rs is
// 1. A is not packed: it has strides rs cs. kNR columns of B lie side by side, in rows ldb apart;
// the next ones are `step` further on. The same sums as gemm_tile, and the same end.
template <class T>
void gemm_strip(int64_t kc, const T* a, int64_t rs, int64_t cs, const T* b, int64_t ldb,
                int64_t step, T* c, int64_t ldc, int m, int64_t n, bool accumulate,
                const Epilogue<T>* ep) {
  constexpr int S = kMR<T> < kRowsInPlace ? kMR<T> : kRowsInPlace;
  if (rs == 1)
    strip_rows<T, kMR<T>, 1>(kc, a, rs, cs, b, ldb, step, c, ldc, m, n, accumulate, ep);
  else
    strip_rows<T, S, 0>(kc, a, rs, cs, b, ldb, step, c, ldc, m, n, accumulate, ep);
}

// scale * a panel of R >= r vectors of k elements, transposed in registers where they follow each
// other: element p of vector i is at [i * rs + p * cs] and goes to [p * R + i].
template <class T, int R>
NNF_INLINE void pack_panel(int r, int64_t k, const T* a, int64_t rs, int64_t cs, T scale,
                           T* panel) {
  constexpr int L = kLanes<T>, kAhead = 512 / int(sizeof(T));
  if (cs != 1) {
    for (int64_t p = 0; p < k; ++p)
      for (int i = 0; i < R; ++i) panel[p * R + i] = i < r ? scale * a[i * rs + p * cs] : T(0);
    return;
  }
  int q = to_vector(a);  // up to a whole vector in memory; whole ones from there on
  for (int64_t p = 0; p < k; p += q, q = L) {
    if (q == 0) q = L;
    if (k - p < q) q = int(k - p);
    for (int i0 = 0; i0 < r; i0 += L) {
      const T* src = a + i0 * rs + p;
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) __builtin_prefetch(src + i * rs + kAhead, 0, 2);
      vec<T> v[L];
      load_transposed<T>(src, rs, r - i0 < L ? r - i0 : L, q, v);
      T* dst = panel + p * R + i0;
      const int rows = R - i0 < L ? R - i0 : L;
#pragma GCC unroll 16
      for (int l = 0; l < L; ++l) {
        if (l >= q) break;
        if (rows == L)
          store<T>(dst + l * R, scale * v[l]);
        else
          store_n<T>(dst + l * R, scale * v[l], rows);
      }
    }
  }
}

// n vectors in panels of R, where vectors lie side by side: their elements p are copied together,
// so memory is read in long runs.
template <class T, int R>
NNF_INLINE void copy_panels(int64_t n, int64_t k, const T* a, int64_t cs, T scale, T* panels) {
  constexpr int L = kLanes<T>, kAhead = 8;
  for (int64_t p = 0; p < k; ++p, a += cs) {
    T* dst = panels + p * R;
    for (int64_t i = 0; i < n; i += R, dst += R * k) {
#pragma GCC unroll 4
      for (int l = 0; l < R; l += L) {
        const int width = R - l < L ? R - l : L;
        const int64_t left = n - i - l;
        if (left <= 0) break;
        __builtin_prefetch(a + kAhead * cs + i + l, 0, 2);
        const vec<T> v = scale * (left >= L ? load<T>(a + i + l) : load_n<T>(a + i + l, int(left)));
        if (width == L)
          store<T>(dst + l, v);
        else
          store_n<T>(dst + l, v, width);
      }
    }
  }
}

// n vectors in panels of R.
template <class T, int R>
NNF_INLINE void pack_panels(int64_t n, int64_t k, const T* a, int64_t rs, int64_t cs, T scale,
                            T* panels) {
  if (rs == 1) return copy_panels<T, R>(n, k, a, cs, scale, panels);
  for (int64_t i = 0; i < n; i += R, a += R * rs, panels += R * k)
    pack_panel<T, R>(n - i < R ? int(n - i) : R, k, a, rs, cs, scale, panels);
}

// alpha * A (m x k, strides rs cs) into panels.
template <class T>
void pack_a(int64_t m, int64_t k, const T* a, int64_t rs, int64_t cs, T alpha, T* panels) {
  pack_panels<T, kMR<T>>(m, k, a, rs, cs, alpha, panels);
}

// B (k x n, strides rs cs) into panels.
template <class T>
void pack_b(int64_t k, int64_t n, const T* b, int64_t rs, int64_t cs, T* panels) {
  pack_panels<T, kNR<T>>(n, k, b, cs, rs, T(1), panels);
}

}  // namespace
}  // namespace nnf
