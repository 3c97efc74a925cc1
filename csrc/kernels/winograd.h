// Winograd convolution: a kernel of R x R taps, R from 2 to 5, on tiles of M x M output pixels,
// M = 7 - R, with 36 products for each pair of channels instead of R R M M (144 for 3 x 3).
//
// A correlation of M outputs and R taps is a product of polynomials (Toom-Cook): evaluate both at
// 6 points, multiply, interpolate. The points are 0, +-p for two values p, and infinity; pairs
// share their even and odd halves. In two dimensions each step goes along the columns, then along
// the rows. What is done to the image depends on the points alone. Sources: Lavin and Gray, Fast
// algorithms for convolutional neural networks, 2016; Barabasz et al., Error analysis and improving
// the accuracy of Winograd convolution, 2020.
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

constexpr int kIn = kWinogradInputs;

// f(n as a constant), n being the taps or the outputs of a tile.
template <int n>
struct Size {
  static constexpr int value = n;
};
template <class F>
NNF_INLINE void for_size(int64_t n, F f) {
  if (n == 2) return f(Size<2>{});
  if (n == 3) return f(Size<3>{});
  if (n == 4) return f(Size<4>{});
  return f(Size<5>{});
}

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

// The step of N taps: values at the points, with the factors of the interpolation.
template <class T, int N>
NNF_INLINE void evaluate(const vec<T> (&g)[N], vec<T> (&u)[kIn]) {
  u[0] = set1<T>(T(1 / kProduct)) * g[0];
  u[5] = g[N - 1];
#pragma GCC unroll 2
  for (int k = 0; k < 2; ++k) {
    const double p = kPoint[k], scale = 1 / (2 * p * p * (p * p - kOther[k]));
    vec<T> half[2] = {set1<T>(T(scale)) * g[0], set1<T>(T(scale * p)) * g[1]};  // even, odd
    double power = scale * p;
#pragma GCC unroll 3
    for (int i = 2; i < N; ++i) {
      power *= p;
      half[i % 2] = add_times<T>(power, g[i], half[i % 2]);
    }
    u[2 * k + 1] = half[0] + half[1];
    u[2 * k + 2] = half[0] - half[1];
  }
}

// The step back, to N outputs.
template <class T, int N>
NNF_INLINE void interpolate(const vec<T> (&m)[kIn], vec<T> (&y)[N]) {
  constexpr double p = kPoint[0], q = kPoint[1];
  const vec<T> half_p[2] = {m[1] + m[2], m[1] - m[2]}, half_q[2] = {m[3] + m[4], m[3] - m[4]};
  y[0] = m[0] + half_p[0] + half_q[0];
  double power_p = 1, power_q = 1;
#pragma GCC unroll 4
  for (int i = 1; i < N; ++i) {
    power_p *= p, power_q *= q;
    y[i] = i == N - 1 ? add_times<T>(power_p, half_p[i % 2], m[5])
                      : set1<T>(T(power_p)) * half_p[i % 2];
    y[i] = add_times<T>(power_q, half_q[i % 2], y[i]);
  }
}

// The columns at which the tiles of a row begin, counted from the first.
struct TileColumns {
  int64_t dw, skipped;  // columns, behind those where a group of dw tiles begins
  int64_t at = 0, phase = 0;

  explicit TileColumns(const WinogradRegion& g) : dw(g.dw), skipped((g.outputs - 1) * g.dw) {}
  void next() {
    ++at;
    if (++phase == dw) phase = 0, at += skipped;
  }
};

// Every dh-th row of an image as vectors of kLanes channels, with zeros around the image; the last
// 6 of them are kept, row r in slot r % 6.
template <class T>
struct RowRing {
  const WinogradRegion& g;
  const T* x;
  int channels;
  T* memory;
  int64_t width, lo, hi;  // pixels of a slot; those inside of the image

  RowRing(const WinogradRegion& g, const T* x, int channels, T* memory)
      : g(g), x(x), channels(channels), memory(memory) {
    width = g.columns();
    lo = g.col < 0 ? -g.col : 0;
    hi = g.W - g.col < width ? g.W - g.col : width;
    if (lo > width) lo = width;
    if (hi < lo) hi = lo;
    for (int s = 0; s < kIn; ++s) {
      zero(slot(s), lo);
      zero(slot(s) + hi * kLanes<T>, width - hi);
    }
  }

  T* slot(int64_t r) { return memory + r % kIn * width * kLanes<T>; }

  static void zero(T* p, int64_t pixels) {
    for (int64_t i = 0; i < pixels; ++i) store<T>(p + i * kLanes<T>, vec<T>{});
  }

  // Row r, counted from g.row, of those that are `from` the top or lower.
  int64_t row_from(int64_t from) const {
    return from > g.row ? (from - g.row + g.dh - 1) / g.dh : 0;
  }

  // Reads rows [first, last).
  void fill(int64_t first, int64_t last) {
    int64_t begin = row_from(0), end = row_from(g.H);
    if (begin < first) begin = first;
    if (begin > last) begin = last;
    if (end > last) end = last;
    if (end < begin) end = begin;
    for (int64_t r = first; r < begin; ++r) zero(slot(r), width);
    const int64_t together = g.dh == 1 && hi - lo == g.W ? end - begin : 1;  // one run
    for (int64_t r = begin; r < end; r += together) read_run(r, together * (hi - lo));
    for (int64_t r = end; r < last; ++r) zero(slot(r), width);
  }

  void read_run(int64_t row, int64_t pixels) {
    constexpr int L = kLanes<T>;
    const T* src = x + (g.row + row * g.dh) * g.W + g.col + lo;
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
// frequency f goes to v[f * step + t * kLanes]. scratch: 6 g.columns() vectors.
template <class T>
void winograd_input(const WinogradRegion& g, const T* x, int channels, T* scratch, T* v,
                    int64_t step) {
  constexpr int L = kLanes<T>;
  RowRing<T> ring(g, x, channels, scratch);
  ring.fill(0, kIn - g.outputs);
  for (int64_t r = 0; r < g.tile_rows * g.outputs; r += g.outputs) {
    ring.fill(r + kIn - g.outputs, r + kIn);
    const T* row[kIn];
    for (int i = 0; i < kIn; ++i) row[i] = ring.slot(r + i);
    TileColumns col(g);
    for (int64_t tc = 0; tc < g.tile_cols; ++tc, col.next(), v += L) {
      vec<T> t[kIn][kIn];
      for (int j = 0; j < kIn; ++j) {
        vec<T> d[kIn], c[kIn];
#pragma GCC unroll 6
        for (int i = 0; i < kIn; ++i) d[i] = load<T>(row[i] + (col.at + j * col.dw) * L);
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

// The taps of a block of outputs (at most kLanes, o_step apart) as vectors: tap k of channel c, of
// n <= kLanes, goes to to[R R c + k].
template <class T, int R>
NNF_INLINE void load_taps(int outputs, int n, const T* w, int64_t o_step, int64_t c_step,
                          vec<T>* to) {
  constexpr int L = kLanes<T>, K = R * R;
  vec<T> r[L];
  if (outputs == L && n == L && c_step == K) {
    for (int k = 0; k < K; ++k, to += L) {
      load_square<T>(w + k * L, o_step, r);
#pragma GCC unroll 16
      for (int l = 0; l < L; ++l) to[l] = r[l];
    }
    return;
  }
  for (int c = 0; c < n; ++c, w += c_step, to += K)
    for (int k = 0; k < K; k += L) {
      load_transposed<T>(w + k, o_step, outputs, K - k < L ? K - k : L, r);
#pragma GCC unroll 16
      for (int l = 0; l < L; ++l)
        if (l < K - k) to[k + l] = r[l];
    }
}

// Row i of what the step along the columns makes of the taps, `step` vectors apart.
template <class T, int R>
NNF_INLINE void evaluate_columns(const vec<T>* taps, int step, vec<T> (&t)[kIn][R]) {
#pragma GCC unroll 5
  for (int j = 0; j < R; ++j) {
    vec<T> g[R], r[kIn];
#pragma GCC unroll 5
    for (int i = 0; i < R; ++i) g[i] = taps[(R * i + j) * step];
    evaluate<T>(g, r);
#pragma GCC unroll 6
    for (int i = 0; i < kIn; ++i) t[i][j] = r[i];
  }
}

template <class T, int R>
void weight_tiles(int outputs, int64_t C, const T* w, int64_t o_step, int64_t c_step, bool rotate,
                  T* u, int64_t step) {
  constexpr int L = kLanes<T>, K = R * R;
  vec<T> taps[K * L];
  for (int64_t c = 0; c < C; c += L, w += L * c_step) {
    const int n = C - c < L ? int(C - c) : L;
    load_taps<T, R>(outputs, n, w, o_step, c_step, taps);
    for (int k = 0; k < n; ++k, u += L) {
      vec<T> t[kIn][R];
      evaluate_columns<T>(taps + K * k + (rotate ? K - 1 : 0), rotate ? -1 : 1, t);
#pragma GCC unroll 6
      for (int i = 0; i < kIn; ++i) {
        vec<T> r[kIn];
        evaluate<T>(t[i], r);
#pragma GCC unroll 6
        for (int j = 0; j < kIn; ++j) store<T>(u + (i * kIn + j) * step, r[j]);
      }
    }
  }
}

// Weights, taps x taps, of a block of outputs (at most kLanes, o_step apart) and C channels:
// channel c of frequency f goes to u[f * step + c * kLanes]. rotate: by half a turn, for the
// gradient.
template <class T>
void winograd_weight(int taps, int outputs, int64_t C, const T* w, int64_t o_step, int64_t c_step,
                     bool rotate, T* u, int64_t step) {
  for_size(taps, [&](auto R) {
    weight_tiles<T, R.value>(outputs, C, w, o_step, c_step, rotate, u, step);
  });
}

// Frequencies of rows a and b: y = or += the sum over n channels, in order, of their weights times
// v[f * v_step + channel].
template <class T, int a, int b>
NNF_INLINE void multiply_rows(int n, const vec<T>* taps, int step, const T* v, int64_t v_step, T* y,
                              int64_t y_step, bool add) {
  constexpr int kRow[2] = {a, b};
  vec<T> acc[2][kIn] = {};
#pragma GCC unroll 12
  for (int i = 0; i < 2 * kIn && add; ++i)
    acc[i / kIn][i % kIn] = load<T>(y + (kRow[i / kIn] * kIn + i % kIn) * y_step);
  for (int k = 0; k < n; ++k, taps += 9) {
    vec<T> t[kIn][3], r[kIn];
    evaluate_columns<T>(taps, step, t);
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      evaluate<T>(t[kRow[i]], r);
#pragma GCC unroll 6
      for (int j = 0; j < kIn; ++j)
        acc[i][j] = fma(set1<T>(v[(kRow[i] * kIn + j) * v_step + k]), r[j], acc[i][j]);
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < 2 * kIn; ++i)
    store<T>(y + (kRow[i / kIn] * kIn + i % kIn) * y_step, acc[i / kIn][i % kIn]);
}

// winograd_weight, of 3 x 3 taps, and winograd_multiply of one tile at once: weights that are used
// once are not written.
template <class T>
void winograd_tile(int outputs, int64_t C, const T* w, int64_t o_step, int64_t c_step, bool rotate,
                   const T* v, int64_t v_step, T* y, int64_t y_step) {
  constexpr int L = kLanes<T>;
  vec<T> taps[9 * L];
  for (int64_t c = 0; c == 0 || c < C; c += L, w += L * c_step, v += L) {
    const int n = C - c < L ? int(C - c) : L, step = rotate ? -1 : 1;
    load_taps<T, 3>(outputs, n, w, o_step, c_step, taps);
    const vec<T>* first = taps + (rotate ? 8 : 0);
    multiply_rows<T, 0, 5>(n, first, step, v, v_step, y, y_step, c > 0);
    multiply_rows<T, 1, 2>(n, first, step, v, v_step, y, y_step, c > 0);
    multiply_rows<T, 3, 4>(n, first, step, v, v_step, y, y_step, c > 0);
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

template <class T, int M>
void output_tiles(const WinogradRegion& g, const T* products, int64_t step, const T* bias,
                  int channels, T* scratch, T* y) {
  constexpr int L = kLanes<T>;
  const int64_t width = g.W - g.col < g.reach() ? g.W - g.col : g.reach();
  const vec<T> b = bias ? load_n<T>(bias, channels) : vec<T>{};
  for (int64_t tr = 0; tr < g.tile_rows; ++tr) {
    const int64_t h = g.row + tr * M * g.dh, below = (g.H - h + g.dh - 1) / g.dh;
    const int rows = below < M ? int(below) : M;
    TileColumns col(g);
    for (int64_t tc = 0; tc < g.tile_cols; ++tc, col.next(), products += L) {
      T* dst = scratch + col.at * L;
      const int64_t beside = width - col.at;
      const int cols = beside > (M - 1) * col.dw ? M : int((beside + col.dw - 1) / col.dw);
      vec<T> t[M][kIn];
      for (int j = 0; j < kIn; ++j) {
        vec<T> d[kIn], r[M];
#pragma GCC unroll 6
        for (int i = 0; i < kIn; ++i) d[i] = load<T>(products + (i * kIn + j) * step);
        interpolate<T>(d, r);
#pragma GCC unroll 5
        for (int i = 0; i < M; ++i) t[i][j] = r[i];
      }
      for (int i = 0; i < rows; ++i, dst += width * L) {
        vec<T> r[M];
        interpolate<T>(t[i], r);
#pragma GCC unroll 5
        for (int j = 0; j < M; ++j)
          if (j < cols) store<T>(dst + j * col.dw * L, r[j] + b);
      }
    }
    T* to = y + h * g.W + g.col;
    if (width == g.W && g.dh == 1) {
      store_planes<T>(scratch, rows * width, channels, to, g.H * g.W);
    } else {
      for (int i = 0; i < rows; ++i, to += g.dh * g.W)
        store_planes<T>(scratch + i * width * L, width, channels, to, g.H * g.W);
    }
  }
}

// The way back: tile t of frequency f lies at products[f * step + t * kLanes]; a region of the
// planes y[0], y[plane], ... of at most kLanes channels is written. scratch: 6 g.columns() +
// kLanes vectors.
template <class T>
void winograd_output(const WinogradRegion& g, const T* products, int64_t step, const T* bias,
                     int channels, T* scratch, T* y) {
  for_size(g.outputs, [&](auto M) {
    output_tiles<T, M.value>(g, products, step, bias, channels, scratch, y);
  });
}

}  // namespace
}  // namespace nnf
