// Convolution of one plane by itself: where a group has one channel in and one out, a matrix
// product would have a single row.
//
// x points to column 0 of a plane with rows ld apart, in which every column that a tap sees is
// there (zeros where it lies outside of the image).
#pragma once

#include "kernels/image_grid.h"
#include "kernels/window.h"
#include "simd/vec.h"

namespace nnf {
namespace {

template <class T, int kStep>
void depthwise_rows(const ImageGrid& g, const T* x, int64_t ld, const T* w, T bias,
                    int64_t row_step, int64_t col_step, T* y) {
  constexpr int L = kLanes<T>;
  for (int64_t oh = 0; oh < g.OH; ++oh, y += row_step) {
    for (int64_t ow = 0; ow < g.OW; ow += L) {
      const int n = g.OW - ow < L ? int(g.OW - ow) : L;
      vec<T> sum{};
      for (int64_t i = 0; i < g.KH; ++i) {
        const int64_t h = oh * g.sh + g.row[i];
        if (h < 0 || h >= g.H) continue;
        const T* row = x + h * ld + ow * g.sw;
        for (int64_t j = 0; j < g.KW; ++j)
          sum = fma(set1<T>(w[i * g.KW + j]), load_step<T, kStep>(row + g.col[j], g.sw, n), sum);
      }
      sum = sum + bias;
      if (col_step == 1)
        store_some<T>(y + ow, sum, n);
      else
        for (int l = 0; l < n; ++l) y[(ow + l) * col_step] = sum[l];
    }
  }
}

// kTall rows of V vectors at once, all K x K taps side by side: a vector of x is loaded once for
// all rows that see it. w holds the taps in the order of their places in x.
constexpr int kTall = 4;

template <class T, int K, int V>
NNF_INLINE void depthwise_tile(const ImageGrid& g, const T* x, int64_t ld, const T* w, T bias,
                               int64_t h0, int rows, int n, int64_t row_step, T* y) {
  constexpr int L = kLanes<T>;
  const int last = n - (V - 1) * L;
  vec<T> sum[kTall][V];
#pragma GCC unroll 4
  for (int r = 0; r < kTall; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) sum[r][v] = set1<T>(bias);
#pragma GCC unroll 10
  for (int i = 0; i < kTall + K - 1; ++i) {
    if (h0 + i < 0 || h0 + i >= g.H) continue;
    const T* row = x + (h0 + i) * ld;
#pragma GCC unroll 7
    for (int j = 0; j < K; ++j) {
      vec<T> seen[V];
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v)
        seen[v] = load_step<T, 1>(row + j + v * L, 1, v < V - 1 ? L : last);
#pragma GCC unroll 4
      for (int r = 0; r < kTall; ++r) {
        if (i - r < 0 || i - r >= K) continue;
        const vec<T> tap = set1<T>(w[(i - r) * K + j]);
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) sum[r][v] = fma(tap, seen[v], sum[r][v]);
      }
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kTall; ++r) {
    if (r >= rows) break;
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v)
      store_some<T>(y + r * row_step + v * L, sum[r][v], v < V - 1 ? L : last);
  }
}

template <class T, int K>
void depthwise_tiles(const ImageGrid& g, const T* x, int64_t ld, const T* w, T bias,
                     int64_t row_step, T* y) {
  constexpr int L = kLanes<T>;
  const bool turned = g.row[0] > g.row[K - 1];  // both ways, as in a gradient
  T taps[K * K];
  for (int t = 0; t < K * K; ++t) taps[t] = w[turned ? K * K - 1 - t : t];
  const int64_t first_row = g.row[turned ? K - 1 : 0];
  x += g.col[turned ? K - 1 : 0];
  for (int64_t oh = 0; oh < g.OH; oh += kTall) {
    const int rows = g.OH - oh < kTall ? int(g.OH - oh) : kTall;
    for (int64_t ow = 0; ow < g.OW; ow += 2 * L) {
      const int n = g.OW - ow < 2 * L ? int(g.OW - ow) : 2 * L;
      const auto tile = n > L ? depthwise_tile<T, K, 2> : depthwise_tile<T, K, 1>;
      tile(g, x + ow, ld, taps, bias, oh + first_row, rows, n, row_step, y + oh * row_step + ow);
    }
  }
}

// Whether the taps are a square of k x k pixels side by side, and so are the results.
inline bool is_square(const ImageGrid& g, int64_t k, int64_t col_step) {
  if (g.KH != k || g.KW != k || g.sh != 1 || g.sw != 1 || col_step != 1) return false;
  const int64_t step = g.row[1] - g.row[0];
  if ((step != 1 && step != -1) || g.col[1] - g.col[0] != step) return false;
  return true;
}

// y[oh * row_step + ow * col_step] = bias + sum over taps of w[i * KW + j] times what tap (i, j)
// sees, in an order fixed by the grid.
template <class T>
void depthwise(const ImageGrid& g, const T* x, int64_t ld, const T* w, T bias, int64_t row_step,
               int64_t col_step, T* y) {
  if (is_square(g, 3, col_step))
    depthwise_tiles<T, 3>(g, x, ld, w, bias, row_step, y);
  else if (is_square(g, 5, col_step))
    depthwise_tiles<T, 5>(g, x, ld, w, bias, row_step, y);
  else if (is_square(g, 7, col_step))
    depthwise_tiles<T, 7>(g, x, ld, w, bias, row_step, y);
  else if (g.sw == 1)
    depthwise_rows<T, 1>(g, x, ld, w, bias, row_step, col_step, y);
  else if (g.sw == 2)
    depthwise_rows<T, 2>(g, x, ld, w, bias, row_step, col_step, y);
  else
    depthwise_rows<T, 0>(g, x, ld, w, bias, row_step, col_step, y);
}

}  // namespace
}  // namespace nnf
