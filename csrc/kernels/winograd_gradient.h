// The gradient of a 3 x 3 kernel by Winograd's way: the correlation of a tile of 6 x 6 pixels of
// the image with 4 x 4 of dy has 3 x 3 results, and needs 36 products instead of 144. The points,
// and with them the image's step, are those of winograd.h; its other two steps change places, 4
// values go up to 6 points and 6 come down to 3.
#pragma once

#include "kernels/winograd.h"

namespace nnf {
namespace {

// The step of dy: values at the points, with the factors of the interpolation.
template <class T>
NNF_INLINE void transform_gradient(const vec<T> (&g)[kOut], vec<T> (&u)[kIn]) {
  u[0] = set1<T>(T(1 / kProduct)) * g[0];
  u[5] = g[3];
#pragma GCC unroll 2
  for (int k = 0; k < 2; ++k) {
    const double p = kPoint[k], scale = 1 / (2 * p * p * (p * p - kOther[k]));
    const vec<T> even = add_times<T>(scale * p * p, g[2], set1<T>(T(scale)) * g[0]);
    const vec<T> odd = add_times<T>(scale * p * p * p, g[3], set1<T>(T(scale * p)) * g[1]);
    u[2 * k + 1] = even + odd;
    u[2 * k + 2] = even - odd;
  }
}

// The step back to three taps.
template <class T>
NNF_INLINE void transform_sums(const vec<T> (&m)[kIn], vec<T> (&y)[3]) {
  constexpr double p = kPoint[0], q = kPoint[1];
  const vec<T> even_p = m[1] + m[2], even_q = m[3] + m[4];
  y[0] = m[0] + even_p + even_q;
  y[1] = add_times<T>(q, m[3] - m[4], set1<T>(T(p)) * (m[1] - m[2]));
  y[2] = add_times<T>(q * q, even_q, add_times<T>(p * p, even_p, m[5]));
}

// Tiles of dy as winograd_input has them of the image: tile t of frequency f to
// v[f * step + t * kLanes]. scratch as there.
template <class T>
void winograd_gradient(const WinogradRegion& g, const T* dy, int channels, T* scratch, T* v,
                       int64_t step) {
  constexpr int L = kLanes<T>;
  RowRing<T> ring(g, dy, channels, scratch);
  for (int64_t tr = 0; tr < g.tile_rows; ++tr) {
    ring.fill(tr * kOut, (tr + 1) * kOut);
    const T* row[kOut];
    for (int i = 0; i < kOut; ++i) row[i] = ring.slot(tr * kOut + i);
    for (int64_t tc = 0; tc < g.tile_cols; ++tc, v += L) {
      vec<T> t[kIn][kOut];
      for (int j = 0; j < kOut; ++j) {
        vec<T> d[kOut], c[kIn];
#pragma GCC unroll 4
        for (int i = 0; i < kOut; ++i) d[i] = load<T>(row[i] + (tc * kOut + j) * L);
        transform_gradient<T>(d, c);
#pragma GCC unroll 6
        for (int i = 0; i < kIn; ++i) t[i][j] = c[i];
      }
      for (int i = 0; i < kIn; ++i) {
        vec<T> c[kIn];
        transform_gradient<T>(t[i], c);
#pragma GCC unroll 6
        for (int j = 0; j < kIn; ++j) store<T>(v + (i * kIn + j) * step, c[j]);
      }
    }
  }
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

// The way back: the sums of channel c, frequency f, for one block of outputs lie at
// m[f * step + c * kLanes]; dw (outputs x C x 9) is written. scratch: 9 C + kLanes vectors.
template <class T>
void winograd_sums_output(int outputs, int64_t C, const T* m, int64_t step, T* scratch, T* dw) {
  constexpr int L = kLanes<T>;
  for (int64_t c = 0; c < C; ++c, m += L) {
    vec<T> t[3][kIn];
    for (int j = 0; j < kIn; ++j) {
      vec<T> d[kIn], r[3];
#pragma GCC unroll 6
      for (int i = 0; i < kIn; ++i) d[i] = load<T>(m + (i * kIn + j) * step);
      transform_sums<T>(d, r);
#pragma GCC unroll 3
      for (int i = 0; i < 3; ++i) t[i][j] = r[i];
    }
    for (int i = 0; i < 3; ++i) {
      vec<T> r[3];
      transform_sums<T>(t[i], r);
#pragma GCC unroll 3
      for (int j = 0; j < 3; ++j) store<T>(scratch + (c * 9 + i * 3 + j) * L, r[j]);
    }
  }
  store_planes<T>(scratch, 9 * C, outputs, dw, 9 * C);
}

}  // namespace
}  // namespace nnf
