// Convolution by vectors of output channels: pixels are read where they lie, one by one.
//
// A tile is some pixels of the result, which may lie anywhere, times some vectors of channels. Each
// pixel that a tap sees is multiplied with the vectors of that tap's weights, as an element of A
// with a row of B in a matrix product: nothing is gathered, and no tap outside of the image counts.
#pragma once

#include "kernels/gemm.h"
#include "kernels/table.h"
#include "kernels/transpose.h"
#include "simd/vec.h"

namespace nnf {
namespace {

// Accumulators of a tile, of at most kMostVectors a pixel and kMostSpots pixels.
constexpr int kTileVectors = NNF_VECTOR_BYTES == 64 ? 28 : NNF_VECTOR_REGISTERS == 32 ? 24 : 12;
constexpr int kMostVectors = NNF_VECTOR_REGISTERS == 32 ? 4 : 2;
constexpr int kMostSpots = kTileVectors / 2;

template <int V>
constexpr int kSpots = kTileVectors / V < kMostSpots ? kTileVectors / V : kMostSpots;

// Vectors from v on of M spots. Where each odd one sees what is `pace` behind the one before, half
// the addresses are enough: all of them would not stay in registers.
template <class T, int M, int V, bool kPairs = false>
void channel_tile(const ChannelArgs<T>& g, const Spot* spots, int v) {
  constexpr int L = kLanes<T>;
  vec<T> acc[M][V] = {};
  const T* x[M];
  for (int i = 0; i < M; ++i) x[i] = g.x + spots[i].src;
  const int64_t pace = kPairs ? spots[1].src - spots[0].src : 0;
  const T* w = g.w + v / 2 * g.panel + v % 2 * L;
  int64_t channel = 0;
  for (int64_t c = 0; c < g.channels; ++c, channel += g.x_step, w += g.w_step) {
    for (int64_t t = 0; t < g.taps; ++t) {
      const int64_t at = channel + g.steps[t].x, next = at + pace;
      const T* u = w + g.steps[t].w;
      vec<T> b[V];
#pragma GCC unroll 4
      for (int j = 0; j < V; ++j) b[j] = load<T>(u + j / 2 * g.panel + j % 2 * L);
#pragma GCC unroll 14
      for (int i = 0; i < M; ++i) {
        const vec<T> seen = set1<T>(kPairs && i % 2 ? x[i - 1][next] : x[i][at]);
#pragma GCC unroll 4
        for (int j = 0; j < V; ++j) acc[i][j] = fma(seen, b[j], acc[i][j]);
      }
    }
  }
#pragma GCC unroll 14
  for (int i = 0; i < M; ++i) {
    T* y = g.y + spots[i].dst * g.ld + v * L;
#pragma GCC unroll 4
    for (int j = 0; j < V; ++j, y += L)
      store<T>(y, g.accumulate ? load<T>(y) + acc[i][j] : acc[i][j]);
  }
}

NNF_INLINE bool in_pairs(const Spot* spots, int n) {
  bool pairs = true;
  for (int i = 3; i < n; i += 2)
    pairs &= spots[i].src - spots[i - 1].src == spots[1].src - spots[0].src;
  return pairs;
}

template <class T, int M, int V>
void channel_spots(const ChannelArgs<T>& g, const Spot* spots, int m, int v) {
  if constexpr (M > 1) {
    if (m < M) return channel_spots<T, M - 1, V>(g, spots, m, v);
    if (V == 1 && in_pairs(spots, M)) return channel_tile<T, M, V, V == 1>(g, spots, v);
  }
  channel_tile<T, M, V>(g, spots, v);
}

// Tiles of nearly the same size; of single vectors, they begin with a pair.
template <class T, int V>
void channel_tiles(const ChannelArgs<T>& g, int v) {
  constexpr int R = kSpots<V>, kUnit = V == 1 ? 2 : 1;
  static_assert(R % kUnit == 0);
  const int64_t tiles = (g.n + R - 1) / R;
  for (int64_t t = 0, first = 0; t < tiles; ++t) {
    const int64_t end = ((t + 1) * g.n / tiles + kUnit - 1) / kUnit * kUnit;
    const int64_t last = end < g.n ? end : g.n;
    channel_spots<T, R, V>(g, g.spots + first, int(last - first), v);
    first = last;
  }
}

template <class T, int kTaps>
NNF_INLINE void pack_each(int64_t channels, int all, int outputs, const T* w, int64_t o_step,
                          int64_t c_step, T* panel) {
  constexpr int L = kLanes<T>, R = kNR<T>;
  const int taps = kTaps ? kTaps : all;
  for (int64_t c = 0; c < channels; ++c, w += c_step, panel += taps * R)
    for (int i = 0; i < outputs; i += L)
      for (int k = 0; k < taps; k += L) {
        vec<T> r[L];
        load_transposed<T>(w + i * o_step + k, o_step, outputs - i, taps - k, r);
#pragma GCC unroll 16
        for (int l = 0; l < L; ++l)
          if (l < taps - k) store<T>(panel + (k + l) * R + i, r[l]);
      }
}

// Weights of a panel of at most kNR outputs: tap k of channel c goes to the vectors at
// panel[(c * taps + k) * kNR].
template <class T>
void pack_outputs(int64_t channels, int taps, int outputs, const T* w, int64_t o_step,
                  int64_t c_step, T* panel) {
  if (taps == 9)
    pack_each<T, 9>(channels, taps, outputs, w, o_step, c_step, panel);
  else
    pack_each<T, 0>(channels, taps, outputs, w, o_step, c_step, panel);
}

// See ChannelArgs.
template <class T>
void channels(const ChannelArgs<T>& g, int vectors) {
  for (int v = 0; v < vectors; v += kMostVectors) {
    const int left = vectors - v;
    if constexpr (kMostVectors == 4) {
      if (left >= 4) {
        channel_tiles<T, 4>(g, v);
        continue;
      }
      if (left == 3) return channel_tiles<T, 3>(g, v);
    }
    if (left >= 2)
      channel_tiles<T, 2>(g, v);
    else
      channel_tiles<T, 1>(g, v);
  }
}

}  // namespace
}  // namespace nnf
