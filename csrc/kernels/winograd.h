// Winograd convolution: a 3 x 3 kernel on tiles of 4 x 4 output pixels, with 36 products for each
// pair of channels instead of 144.
//
// A correlation of 4 outputs and 3 taps is a product of polynomials (Toom-Cook): evaluate both at
// 6 points, multiply, interpolate. The points are 0, +-p for two values p, and infinity; pairs
// share their even and odd halves. In two dimensions each step goes along the columns, then along
// the rows. Sources: Lavin and Gray, Fast algorithms for convolutional neural networks, 2016;
// Barabasz et al., Error analysis and improving the accuracy of Winograd convolution, 2020.
//
// Between the steps, data lies in blocks of kLanes channels: [frequency][channel block][tile or
// channel][lane], so that every step works on whole vectors whatever the image's size, and the
// products of each frequency are one small matrix product over the channels.
#pragma once

#include "kernels/image_grid.h"
#include "kernels/transpose.h"
#include "simd/vec.h"

namespace nnf {
namespace {

constexpr int kOut = kWinogradOutputs, kIn = kWinogradInputs;

// The positive points; chosen for small error (tests/test_winograd.py measures it), exact in
// binary; and the square of the other one.
constexpr double kPoint[2] = {0.625, 1.5}, kOther[2] = {1.5 * 1.5, 0.625 * 0.625};
constexpr double kProduct = kOther[0] * kOther[1], kSum = kOther[0] + kOther[1];

// c x + y
template <class T>
NNF_INLINE vec<T> add_times(double c, vec<T> x, vec<T> y) {
  return fma(set1<T>(T(c)), x, y);
}

// The image's step.
template <class T>
NNF_INLINE void transform_input(const vec<T> (&d)[kIn], vec<T> (&v)[kIn]) {
  v[0] = add_times<T>(kProduct, d[0], add_times<T>(-kSum, d[2], d[4]));
  v[5] = add_times<T>(kProduct, d[1], add_times<T>(-kSum, d[3], d[5]));
#pragma GCC unroll 2
  for (int k = 0; k < 2; ++k) {
    const vec<T> even = add_times<T>(-kOther[k], d[2], d[4]);
    const vec<T> odd = add_times<T>(-kOther[k], d[1], d[3]);
    const vec<T> p = set1<T>(T(kPoint[k]));
    v[2 * k + 1] = fma(p, odd, even);
    v[2 * k + 2] = fma(-p, odd, even);
  }
}

// The step of three taps.
template <class T>
NNF_INLINE void transform_taps(const vec<T> (&g)[3], vec<T> (&u)[kIn]) {
  u[0] = set1<T>(T(1 / kProduct)) * g[0];
  u[5] = g[2];
#pragma GCC unroll 2
  for (int k = 0; k < 2; ++k) {
    const double p = kPoint[k], scale = 1 / (2 * p * p * (p * p - kOther[k]));
    const vec<T> even = add_times<T>(scale * p * p, g[2], set1<T>(T(scale)) * g[0]);
    const vec<T> odd = set1<T>(T(scale * p)) * g[1];
    u[2 * k + 1] = even + odd;
    u[2 * k + 2] = even - odd;
  }
}

// The step back.
template <class T>
NNF_INLINE void transform_output(const vec<T> (&m)[kIn], vec<T> (&y)[kOut]) {
  constexpr double p = kPoint[0], q = kPoint[1];
  const vec<T> even_p = m[1] + m[2], odd_p = m[1] - m[2];
  const vec<T> even_q = m[3] + m[4], odd_q = m[3] - m[4];
  y[0] = m[0] + even_p + even_q;
  y[1] = add_times<T>(q, odd_q, set1<T>(T(p)) * odd_p);
  y[2] = add_times<T>(q * q, even_q, set1<T>(T(p * p)) * even_p);
  y[3] = add_times<T>(q * q * q, odd_q, add_times<T>(p * p * p, odd_p, m[5]));
}

// Rows of an image as vectors of kLanes channels, with zeros around the image; the last 6 rows
// are kept, row h in slot h % 6.
template <class T>
struct RowRing {
  const WinogradRegion& g;
  const T* x;
  int channels;
  T* memory;
  int64_t width, lo, hi;  // pixels of a slot; those inside of the image

  RowRing(const WinogradRegion& g, const T* x, int channels, T* memory)
      : g(g), x(x), channels(channels), memory(memory) {
    width = g.tile_cols * kOut + 2;
    lo = g.col < 0 ? -g.col : 0;
    hi = g.W - g.col < width ? g.W - g.col : width;
    if (lo > width) lo = width;
    if (hi < lo) hi = lo;
    for (int s = 0; s < kIn; ++s) {
      zero(slot(s), lo);
      zero(slot(s) + hi * kLanes<T>, width - hi);
    }
  }

  T* slot(int64_t row) { return memory + row % kIn * width * kLanes<T>; }  // row counted from g.row

  static void zero(T* p, int64_t pixels) {
    for (int64_t i = 0; i < pixels; ++i) store<T>(p + i * kLanes<T>, vec<T>{});
  }

  // Reads rows [first, last), counted from g.row.
  void fill(int64_t first, int64_t last) {
    int64_t begin = first > -g.row ? first : -g.row, end = last < g.H - g.row ? last : g.H - g.row;
    if (begin > last) begin = last;
    if (end < begin) end = begin;
    for (int64_t r = first; r < begin; ++r) zero(slot(r), width);
    const int64_t together = hi - lo == g.W ? end - begin : 1;  // whole rows are one run
    for (int64_t r = begin; r < end; r += together) read_run(r, together * (hi - lo));
    for (int64_t r = end; r < last; ++r) zero(slot(r), width);
  }

  void read_run(int64_t row, int64_t pixels) {
    constexpr int L = kLanes<T>;
    const T* src = x + (g.row + row) * g.W + g.col + lo;
    T* dst = slot(row) + lo * L;
    int64_t left = hi - lo;  // of the row
    for (int64_t i = 0; i < pixels; i += L) {
      const int n = pixels - i < L ? int(pixels - i) : L;
      vec<T> r[L];
      load_transposed<T>(src + i, g.H * g.W, channels, n, r);
#pragma GCC unroll 16
      for (int l = 0; l < L; ++l) {
        if (l >= n) break;
        store<T>(dst, r[l]);
        dst += L;
        if (--left == 0) dst = slot(++row) + lo * L, left = hi - lo;
      }
    }
  }
};

// Tiles of a region of an image, channels x[0], x[plane], ... (at most kLanes): tile t of
// frequency f goes to v[f * step + t * kLanes]. scratch: 6 (4 tile_cols + 2) vectors.
template <class T>
void winograd_input(const WinogradRegion& g, const T* x, int channels, T* scratch, T* v,
                    int64_t step) {
  constexpr int L = kLanes<T>;
  RowRing<T> ring(g, x, channels, scratch);
  ring.fill(0, 2);
  for (int64_t tr = 0; tr < g.tile_rows; ++tr) {
    ring.fill(tr * kOut + 2, tr * kOut + kIn);
    const T* row[kIn];
    for (int i = 0; i < kIn; ++i) row[i] = ring.slot(tr * kOut + i);
    for (int64_t tc = 0; tc < g.tile_cols; ++tc, v += L) {
      vec<T> t[kIn][kIn];
      for (int j = 0; j < kIn; ++j) {
        vec<T> d[kIn], c[kIn];
#pragma GCC unroll 6
        for (int i = 0; i < kIn; ++i) d[i] = load<T>(row[i] + (tc * kOut + j) * L);
        transform_input<T>(d, c);
#pragma GCC unroll 6
        for (int i = 0; i < kIn; ++i) t[i][j] = c[i];
      }
      for (int i = 0; i < kIn; ++i) {
        vec<T> c[kIn];
        transform_input<T>(t[i], c);
#pragma GCC unroll 6
        for (int j = 0; j < kIn; ++j) store<T>(v + (i * kIn + j) * step, c[j]);
      }
    }
  }
}

// Weights of a block of outputs (at most kLanes, o_step apart) and C channels: channel c of
// frequency f goes to u[f * step + c * kLanes]. rotate: by half a turn, for the gradient.
template <class T>
void winograd_weight(int outputs, int64_t C, const T* w, int64_t o_step, int64_t c_step,
                     bool rotate, T* u, int64_t step) {
  constexpr int L = kLanes<T>;
  for (int64_t c = 0; c < C; ++c, w += c_step, u += L) {
    vec<T> taps[round_up(9, L)];
    for (int k = 0; k < 9; k += L) {
      vec<T> r[L];
      load_transposed<T>(w + k, o_step, outputs, 9 - k, r);
#pragma GCC unroll 16
      for (int l = 0; l < L; ++l) taps[k + l] = r[l];
    }
    vec<T> t[kIn][3];
    for (int j = 0; j < 3; ++j) {
      vec<T> g[3], r[kIn];
      for (int i = 0; i < 3; ++i) g[i] = taps[rotate ? 8 - 3 * i - j : 3 * i + j];
      transform_taps<T>(g, r);
#pragma GCC unroll 6
      for (int i = 0; i < kIn; ++i) t[i][j] = r[i];
    }
    for (int i = 0; i < kIn; ++i) {
      vec<T> r[kIn];
      transform_taps<T>(t[i], r);
#pragma GCC unroll 6
      for (int j = 0; j < kIn; ++j) store<T>(u + (i * kIn + j) * step, r[j]);
    }
  }
}

// Tiles and output blocks of a register tile.
constexpr int kWinogradRows = NNF_VECTOR_BYTES == 64 ? 14 : 6;
constexpr int kWinogradBlocks = 2;

// R tiles and B blocks of outputs, summed over C channels in order; add: after what y holds.
template <class T, int R, int B>
void product_tile(int64_t C, const T* v, int64_t v_block, const T* u, int64_t u_block, T* y,
                  int64_t y_block, bool add) {
  constexpr int L = kLanes<T>;
  vec<T> acc[R][B] = {};
  if (add) {
#pragma GCC unroll 14
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int b = 0; b < B; ++b) acc[r][b] = load<T>(y + b * y_block + r * L);
  }
  for (int64_t c = 0; c < C; c += L, v += v_block) {
    const int n = C - c < L ? int(C - c) : L;
    for (int k = 0; k < n; ++k, u += L) {
      vec<T> w[B];
#pragma GCC unroll 2
      for (int b = 0; b < B; ++b) w[b] = load<T>(u + b * u_block);
#pragma GCC unroll 14
      for (int r = 0; r < R; ++r) {
        const vec<T> x = set1<T>(v[r * L + k]);
#pragma GCC unroll 2
        for (int b = 0; b < B; ++b) acc[r][b] = fma(x, w[b], acc[r][b]);
      }
    }
  }
#pragma GCC unroll 14
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int b = 0; b < B; ++b) store<T>(y + b * y_block + r * L, acc[r][b]);
}

template <class T, int R>
void product_rows(int rows, int blocks, int64_t C, const T* v, int64_t v_block, const T* u,
                  int64_t u_block, T* y, int64_t y_block, bool add) {
  if constexpr (R > 1) {
    if (rows < R)
      return product_rows<T, R - 1>(rows, blocks, C, v, v_block, u, u_block, y, y_block, add);
  }
  if (blocks > 1)
    product_tile<T, R, 2>(C, v, v_block, u, u_block, y, y_block, add);
  else
    product_tile<T, R, 1>(C, v, v_block, u, u_block, y, y_block, add);
}

// The products of every frequency: y (blocks x tiles) = or += u (blocks x C) v (C x tiles); steps
// lead from one frequency to the next, u_block from one block of u to the next. The sum goes on
// where y stands: channels in parts have the same bits as together.
template <class T>
void winograd_multiply(int64_t tiles, int64_t C, int64_t blocks, const T* v, int64_t v_step,
                       const T* u, int64_t u_step, int64_t u_block, T* y, int64_t y_step,
                       bool add) {
  constexpr int L = kLanes<T>;
  const int64_t panels = (tiles + kWinogradRows - 1) / kWinogradRows;
  for (int f = 0; f < kIn * kIn; ++f, v += v_step, u += u_step, y += y_step) {
    for (int64_t b = 0; b < blocks; b += kWinogradBlocks) {
      for (int64_t i = 0; i < panels; ++i) {
        const int64_t t0 = i * tiles / panels, t1 = (i + 1) * tiles / panels;  // of equal size
        product_rows<T, kWinogradRows>(int(t1 - t0), int(blocks - b), C, v + t0 * L, tiles * L,
                                       u + b * u_block, u_block, y + (b * tiles + t0) * L,
                                       tiles * L, add);
      }
    }
  }
}

// n pixels of kLanes channels to the planes of the first `channels`.
template <class T>
NNF_INLINE void store_planes(const T* src, int64_t n, int channels, T* y, int64_t plane) {
  constexpr int L = kLanes<T>;
  for (int64_t i = 0; i < n; i += L, src += L * L) {
    vec<T> r[L];
#pragma GCC unroll 16
    for (int l = 0; l < L; ++l) r[l] = load<T>(src + l * L);
    transpose<T>(r);
    if (n - i >= L && channels == L) {
#pragma GCC unroll 16
      for (int l = 0; l < L; ++l) store<T>(y + i + l * plane, r[l]);
    } else {
      const int m = n - i < L ? int(n - i) : L;
#pragma GCC unroll 16
      for (int l = 0; l < L; ++l)
        if (l < channels) store_n<T>(y + i + l * plane, r[l], m);
    }
  }
}

// The way back: tile t of frequency f lies at products[f * step + t * kLanes]; a region of the
// planes y[0], y[plane], ... of at most kLanes channels is written. scratch: 16 tile_cols + kLanes
// vectors.
template <class T>
void winograd_output(const WinogradRegion& g, const T* products, int64_t step, const T* bias,
                     int channels, T* scratch, T* y) {
  constexpr int L = kLanes<T>;
  const int64_t width = g.W - g.col < g.tile_cols * kOut ? g.W - g.col : g.tile_cols * kOut;
  const vec<T> b = bias ? load_n<T>(bias, channels) : vec<T>{};
  for (int64_t tr = 0; tr < g.tile_rows; ++tr) {
    const int64_t h = g.row + tr * kOut;
    const int rows = g.H - h < kOut ? int(g.H - h) : kOut;
    for (int64_t tc = 0; tc < g.tile_cols; ++tc, products += L) {
      T* dst = scratch + tc * kOut * L;
      const int cols = width - tc * kOut < kOut ? int(width - tc * kOut) : kOut;
      vec<T> t[kOut][kIn];
      for (int j = 0; j < kIn; ++j) {
        vec<T> d[kIn], r[kOut];
#pragma GCC unroll 6
        for (int i = 0; i < kIn; ++i) d[i] = load<T>(products + (i * kIn + j) * step);
        transform_output<T>(d, r);
#pragma GCC unroll 4
        for (int i = 0; i < kOut; ++i) t[i][j] = r[i];
      }
      for (int i = 0; i < rows; ++i, dst += width * L) {
        vec<T> r[kOut];
        transform_output<T>(t[i], r);
#pragma GCC unroll 4
        for (int j = 0; j < kOut; ++j)
          if (j < cols) store<T>(dst + j * L, r[j] + b);
      }
    }
    T* to = y + h * g.W + g.col;
    if (width == g.W) {
      store_planes<T>(scratch, rows * width, channels, to, g.H * g.W);
    } else {
      for (int i = 0; i < rows; ++i)
        store_planes<T>(scratch + i * width * L, width, channels, to + i * g.W, g.H * g.W);
    }
  }
}

}  // namespace
}  // namespace nnf
