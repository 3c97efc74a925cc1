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

// y[oh * row_step + ow * col_step] = bias + sum over taps, in order, of w[i * KW + j] times what
// tap (i, j) sees.
template <class T>
void depthwise(const ImageGrid& g, const T* x, int64_t ld, const T* w, T bias, int64_t row_step,
               int64_t col_step, T* y) {
  if (g.sw == 1)
    depthwise_rows<T, 1>(g, x, ld, w, bias, row_step, col_step, y);
  else if (g.sw == 2)
    depthwise_rows<T, 2>(g, x, ld, w, bias, row_step, col_step, y);
  else
    depthwise_rows<T, 0>(g, x, ld, w, bias, row_step, col_step, y);
}

// Taps (i, j) .. (i, j + kTaps - 1) side by side: dw += the sum over the grid, in as many lanes
// as 64 bytes hold whatever the ISA, so that the order of additions is the same on each.
template <class T, int kStep, int kTaps>
NNF_INLINE void depthwise_taps(const ImageGrid& g, const T* x, int64_t ld, const T* dy, int64_t i,
                               int64_t j, T* dw) {
  constexpr int L = kLanes<T>, V = 64 / NNF_VECTOR_BYTES;
  vec<T> sum[kTaps][V] = {};
  for (int64_t oh = 0; oh < g.OH; ++oh) {
    const int64_t h = oh * g.sh + g.row[i];
    if (h < 0 || h >= g.H) continue;
    for (int64_t ow0 = 0; ow0 < g.OW; ow0 += V * L) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        const int64_t ow = ow0 + v * L;
        if (ow >= g.OW) break;
        const int n = g.OW - ow < L ? int(g.OW - ow) : L;
        const T* row = x + h * ld + ow * g.sw;
        const vec<T> d = load_n<T>(dy + oh * g.OW + ow, n);
#pragma GCC unroll 4
        for (int t = 0; t < kTaps; ++t)
          sum[t][v] = fma(d, load_step<T, kStep>(row + g.col[j + t], g.sw, n), sum[t][v]);
      }
    }
  }
  for (int t = 0; t < kTaps; ++t) {
    for (int half = V / 2; half > 0; half /= 2)
      for (int v = 0; v < half; ++v) sum[t][v] = sum[t][v] + sum[t][v + half];
    dw[i * g.KW + j + t] += reduce_add<T>(sum[t][0]);
  }
}

template <class T, int kStep>
void depthwise_weight_rows(const ImageGrid& g, const T* x, int64_t ld, const T* dy, T* dw) {
  for (int64_t i = 0; i < g.KH; ++i) {
    int64_t j = 0;
    for (; j + 4 <= g.KW; j += 4) depthwise_taps<T, kStep, 4>(g, x, ld, dy, i, j, dw);
    if (g.KW - j == 3) depthwise_taps<T, kStep, 3>(g, x, ld, dy, i, j, dw);
    if (g.KW - j == 2) depthwise_taps<T, kStep, 2>(g, x, ld, dy, i, j, dw);
    if (g.KW - j == 1) depthwise_taps<T, kStep, 1>(g, x, ld, dy, i, j, dw);
  }
}

// dw[i * KW + j] += sum over the grid of dy times what tap (i, j) sees.
template <class T>
void depthwise_weight(const ImageGrid& g, const T* x, int64_t ld, const T* dy, T* dw) {
  if (g.sw == 1)
    depthwise_weight_rows<T, 1>(g, x, ld, dy, dw);
  else if (g.sw == 2)
    depthwise_weight_rows<T, 2>(g, x, ld, dy, dw);
  else
    depthwise_weight_rows<T, 0>(g, x, ld, dy, dw);
}

}  // namespace
}  // namespace nnf
