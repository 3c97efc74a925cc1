// The gradient of a kernel by Winograd's way: the correlation of a tile of 6 x 6 pixels of the
// image with M x M of dy has R x R results, and needs 36 products. The points, and with them the
// image's step, are those of winograd.h; taps and outputs change places, M values go up to 6 points
// and 6 come down to R.
#pragma once

#include "kernels/winograd.h"

namespace nnf {
namespace {

template <class T, int M>
void gradient_tiles(const WinogradRegion& g, const T* dy, int channels, T* scratch, T* v,
                    int64_t step) {
  constexpr int L = kLanes<T>;
  RowRing<T> ring(g, dy, channels, scratch);
  for (int64_t tr = 0; tr < g.tile_rows; ++tr) {
    ring.fill(tr * M, (tr + 1) * M);
    const T* row[M];
    for (int i = 0; i < M; ++i) row[i] = ring.slot(tr * M + i);
    TileColumns col(g);
    for (int64_t tc = 0; tc < g.tile_cols; ++tc, col.next(), v += L) {
      vec<T> t[kIn][M];
      for (int j = 0; j < M; ++j) {
        vec<T> d[M], c[kIn];
#pragma GCC unroll 5
        for (int i = 0; i < M; ++i) d[i] = load<T>(row[i] + (col.at + j * col.dw) * L);
        evaluate<T>(d, c);
#pragma GCC unroll 6
        for (int i = 0; i < kIn; ++i) t[i][j] = c[i];
      }
      for (int i = 0; i < kIn; ++i) {
        vec<T> c[kIn];
        evaluate<T>(t[i], c);
#pragma GCC unroll 6
        for (int j = 0; j < kIn; ++j) store<T>(v + (i * kIn + j) * step, c[j]);
      }
    }
  }
}

// Tiles of dy as winograd_input has them of the image: tile t of frequency f to
// v[f * step + t * kLanes]. scratch as there.
template <class T>
void winograd_gradient(const WinogradRegion& g, const T* dy, int channels, T* scratch, T* v,
                       int64_t step) {
  for_size(g.outputs,
           [&](auto M) { gradient_tiles<T, M.value>(g, dy, channels, scratch, v, step); });
}

// Channels and output blocks of a register tile. The channels are lanes of one block.
template <class T>
constexpr int kGradientRows = NNF_VECTOR_BYTES == 64 ? 8
                              : kLanes<T> < 4        ? kLanes<T>
                                                     : 4;
constexpr int kGradientBlocks = 3;

template <class T, int B>
void gradient_tile(int64_t tiles, const T* v, const T* d, int64_t d_block, T* m, int64_t m_block,
                   bool add) {
  constexpr int L = kLanes<T>, R = kGradientRows<T>;
  vec<T> acc[R][B] = {};
  if (add) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 3
      for (int b = 0; b < B; ++b) acc[r][b] = load<T>(m + b * m_block + r * L);
  }
  for (int64_t t = 0; t < tiles; ++t, v += L, d += L) {
    vec<T> w[B];
#pragma GCC unroll 3
    for (int b = 0; b < B; ++b) w[b] = load<T>(d + b * d_block);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const vec<T> x = set1<T>(v[r]);
#pragma GCC unroll 3
      for (int b = 0; b < B; ++b) acc[r][b] = fma(x, w[b], acc[r][b]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 3
    for (int b = 0; b < B; ++b) store<T>(m + b * m_block + r * L, acc[r][b]);
}

// The sums over tiles of one frequency, m (o_blocks x channels of c_blocks x lane) = or += those of
// v (c_blocks x tiles x lane) and d (o_blocks x tiles x lane). Tiles in parts have the same bits
// as together.
template <class T>
void winograd_sums(int64_t tiles, int64_t c_blocks, int64_t o_blocks, const T* v, const T* d, T* m,
                   bool add) {
  constexpr int L = kLanes<T>, R = kGradientRows<T>;
  const int64_t block = tiles * L, m_block = c_blocks * L * L;
  for (int64_t o = 0; o < o_blocks; o += kGradientBlocks) {
    const int64_t left = o_blocks - o;
    for (int64_t c = 0; c < c_blocks * L; c += R) {
      const T* x = v + c / L * block + c % L;
      T* to = m + o * m_block + c * L;
      if (left >= 3)
        gradient_tile<T, 3>(tiles, x, d + o * block, block, to, m_block, add);
      else if (left == 2)
        gradient_tile<T, 2>(tiles, x, d + o * block, block, to, m_block, add);
      else
        gradient_tile<T, 1>(tiles, x, d + o * block, block, to, m_block, add);
    }
  }
}

template <class T, int R>
void sums_output(int outputs, int64_t C, const T* m, int64_t step, T* scratch, T* dw) {
  constexpr int L = kLanes<T>, K = R * R;
  T* to = scratch;
  for (int64_t c = 0; c < C; ++c, m += L) {
    vec<T> t[R][kIn];
    for (int j = 0; j < kIn; ++j) {
      vec<T> d[kIn], r[R];
#pragma GCC unroll 6
      for (int i = 0; i < kIn; ++i) d[i] = load<T>(m + (i * kIn + j) * step);
      interpolate<T>(d, r);
#pragma GCC unroll 5
      for (int i = 0; i < R; ++i) t[i][j] = r[i];
    }
    for (int i = 0; i < R; ++i, to += R * L) {
      vec<T> r[R];
      interpolate<T>(t[i], r);
#pragma GCC unroll 5
      for (int j = 0; j < R; ++j) store<T>(to + j * L, r[j]);
    }
  }
  store_planes<T>(scratch, K * C, outputs, dw, K * C);
}

// The way back: the sums of channel c, frequency f, for one block of outputs lie at
// m[f * step + c * kLanes]; dw (outputs x C x taps x taps) is written. scratch: taps * taps C +
// kLanes vectors.
template <class T>
void winograd_sums_output(int taps, int outputs, int64_t C, const T* m, int64_t step, T* scratch,
                          T* dw) {
  for_size(taps, [&](auto R) { sums_output<T, R.value>(outputs, C, m, step, scratch, dw); });
}

}  // namespace
}  // namespace nnf
