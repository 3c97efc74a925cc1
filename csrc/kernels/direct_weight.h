// The gradient of the weight straight from the image: like direct.h, sums over pixels.
//
// A few products for each weight and pixel: by vectors of pixels, whose lanes are added at the
// end. Many: a pixel's dy of all channels side by side (turned once) times what each tap sees
// there, as in a matrix product whose A is read where it lies.
#pragma once

#include "kernels/table.h"
#include "simd/vec.h"

namespace nnf {
namespace {

// Tiles of accumulators: channels x taps by vectors of pixels; taps x 2 vectors of channels.
template <class T>
constexpr int kPixelRows = NNF_VECTOR_REGISTERS == 32 ? 3 : 2;
template <class T>
constexpr int kPixelTaps = NNF_VECTOR_REGISTERS == 32 ? 9 : 6;
template <class T>
constexpr int kChannelTaps = NNF_VECTOR_REGISTERS == 32 ? 13 : 5;

// The first `taps` of K taps count.
template <class T, int M, int K>
void weight_pixels(const WeightArgs<T>& d, int taps, const int64_t* offset, const T* dy, T* dw) {
  constexpr int L = kLanes<T>;
  vec<T> acc[M][K] = {};
  const T* x[K];
  for (int k = 0; k < K; ++k) x[k] = d.x + offset[k < taps ? k : 0];
  for (int64_t r = 0; r < d.n; ++r) {
    const PixelRun& run = d.runs[r];
    const int n = int(run.len);
    const T* from = dy + run.dst;
    vec<T> v[M];
    if (n == L) {
#pragma GCC unroll 3
      for (int i = 0; i < M; ++i) v[i] = load<T>(from + i * d.plane);
#pragma GCC unroll 9
      for (int k = 0; k < K; ++k) {
        const vec<T> seen = load<T>(x[k] + run.src);
#pragma GCC unroll 3
        for (int i = 0; i < M; ++i) acc[i][k] = fma(v[i], seen, acc[i][k]);
      }
    } else {
#pragma GCC unroll 3
      for (int i = 0; i < M; ++i) v[i] = load_n<T>(from + i * d.plane, n);
#pragma GCC unroll 9
      for (int k = 0; k < K; ++k) {
        const vec<T> seen = load_n<T>(x[k] + run.src, n);
#pragma GCC unroll 3
        for (int i = 0; i < M; ++i) acc[i][k] = fma(v[i], seen, acc[i][k]);
      }
    }
  }
  // Known indices: any other would keep the sums in memory.
#pragma GCC unroll 3
  for (int i = 0; i < M; ++i)
#pragma GCC unroll 9
    for (int k = 0; k < K; ++k)
      if (k < taps) dw[i * d.ld + k] += reduce_add<T>(acc[i][k]);
}

// The tiles that there are: of 9, 8, 6, 4, 2 taps.
constexpr int fewer_taps(int k) { return k == 9 ? 8 : k - 2; }

template <class T, int M, int K>
void weight_pixel_tile(const WeightArgs<T>& d, int m, int taps, const int64_t* offset, const T* dy,
                       T* dw) {
  if constexpr (M > 1) {
    if (m < M) return weight_pixel_tile<T, M - 1, K>(d, m, taps, offset, dy, dw);
  }
  if constexpr (K > 2) {
    if (taps <= fewer_taps(K))
      return weight_pixel_tile<T, M, fewer_taps(K)>(d, m, taps, offset, dy, dw);
  }
  weight_pixels<T, M, K>(d, taps, offset, dy, dw);
}

// Part t of n things in parts of nearly the same size, at most `most`: where it begins.
NNF_INLINE int64_t part_begin(int64_t n, int most, int64_t t) {
  const int64_t parts = (n + most - 1) / most, more = n % parts;
  return t * (n / parts) + (t < more ? t : more);
}

// dw[i * ld + k] += sum over the runs of dy[i * plane + run] x[offset[k] + run], i < rows, k < K.
template <class T>
void direct_weight(const WeightArgs<T>& d, int64_t rows, int64_t K) {
  for (int64_t s = 0, k = 0; k < K; ++s) {
    const int64_t k_end = part_begin(K, kPixelTaps<T>, s + 1);
    for (int64_t t = 0, i = 0; i < rows; ++t) {
      const int64_t end = part_begin(rows, kPixelRows<T>, t + 1);
      weight_pixel_tile<T, kPixelRows<T>, kPixelTaps<T>>(
          d, int(end - i), int(k_end - k), d.offset + k, d.dy + i * d.plane, d.dw + i * d.ld + k);
      i = end;
    }
    k = k_end;
  }
}

template <class T, int K, int V>
void weight_channels(const WeightArgs<T>& d, const int64_t* offset, T* dw) {
  constexpr int L = kLanes<T>;
  vec<T> acc[K][V];
#pragma GCC unroll 14
  for (int k = 0; k < K; ++k)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) acc[k][v] = load<T>(dw + k * d.ld + v * L);
  const T* x[K];
  for (int k = 0; k < K; ++k) x[k] = d.x + offset[k];
  const T* dy = d.dy;
  for (int64_t r = 0; r < d.n; ++r) {
    const int64_t end = d.runs[r].src + d.runs[r].len;
    int64_t p = d.runs[r].src;
    for (; p + 2 <= end; p += 2, dy += 2 * d.plane) {
      vec<T> b[2][V];
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v)
        b[0][v] = load<T>(dy + v * L), b[1][v] = load<T>(dy + d.plane + v * L);
#pragma GCC unroll 14
      for (int k = 0; k < K; ++k) {
        const T* seen = x[k] + p;
        const vec<T> first = set1<T>(seen[0]), second = set1<T>(seen[1]);
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v)
          acc[k][v] = fma(second, b[1][v], fma(first, b[0][v], acc[k][v]));
      }
    }
    if (p < end) {
      vec<T> b[V];
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) b[v] = load<T>(dy + v * L);
#pragma GCC unroll 14
      for (int k = 0; k < K; ++k) {
        const vec<T> seen = set1<T>(x[k][p]);
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) acc[k][v] = fma(seen, b[v], acc[k][v]);
      }
      dy += d.plane;
    }
  }
#pragma GCC unroll 14
  for (int k = 0; k < K; ++k)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) store<T>(dw + k * d.ld + v * L, acc[k][v]);
}

template <class T, int K, int V>
void weight_channel_tile(const WeightArgs<T>& d, int taps, const int64_t* offset, T* dw) {
  if constexpr (K > 1) {
    if (taps < K) return weight_channel_tile<T, K - 1, V>(d, taps, offset, dw);
  }
  weight_channels<T, K, V>(d, offset, dw);
}

// dw[k * ld + i] += sum over the pixels of the runs, in order, of dy[pixel * plane + i] times
// x[offset[k] + pixel's place], i < columns <= 2 vectors, k < K. Pixels of dy lie side by side.
// Whole vectors of dw are read and written.
template <class T>
void direct_weight_turned(const WeightArgs<T>& d, int columns, int64_t K) {
  const auto tile = columns > kLanes<T> ? weight_channel_tile<T, kChannelTaps<T>, 2>
                                        : weight_channel_tile<T, kChannelTaps<T>, 1>;
  for (int64_t s = 0, k = 0; k < K; ++s) {
    const int64_t end = part_begin(K, kChannelTaps<T>, s + 1);
    tile(d, int(end - k), d.offset + k, d.dw + k * d.ld);
    k = end;
  }
}

}  // namespace
}  // namespace nnf
