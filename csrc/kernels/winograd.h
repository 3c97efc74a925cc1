// Winograd convolution: a 3 x 3 kernel on tiles of M x M output pixels, with (M + 2)^2 products
// for each pair of channels instead of 9 M^2.
//
// A correlation of M outputs and R taps is a product of polynomials (Toom-Cook): evaluate both at
// A = M + R - 1 points, multiply, interpolate. The points are 0, +-p for K = A/2 - 1 values p, and
// infinity; pairs share their even and odd halves. In two dimensions each step goes along the
// columns, then along the rows. Sources: Lavin and Gray, Fast algorithms for convolutional neural
// networks, 2016; Barabasz et al., Error analysis and improving the accuracy of Winograd
// convolution, 2020.
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

// The positive points; chosen for small error (tests/test_winograd.py measures it), exact in
// binary.
template <int K>
struct Points;
template <>
struct Points<1> {
  static constexpr double p[1] = {1};
};
template <>
struct Points<2> {
  static constexpr double p[2] = {0.625, 1.5};
};
template <>
struct Points<3> {
  static constexpr double p[3] = {0.5, 1, 2};
};

template <int K>
struct Toom {
  double all[K + 1] = {};     // coefficients of the product of (t - p_k^2), t = x^2
  double without[K][K] = {};  // the same without factor k
  double value[K] = {};       // of that at p_k^2

  constexpr Toom() {
    for (int skip = 0; skip <= K; ++skip) {
      double c[K + 1] = {1};
      int degree = 0;
      for (int k = 0; k < K; ++k) {
        if (k == skip) continue;
        const double root = Points<K>::p[k] * Points<K>::p[k];
        for (int j = ++degree; j >= 0; --j) c[j] = (j > 0 ? c[j - 1] : 0) - root * c[j];
      }
      for (int j = 0; j <= degree; ++j) (skip < K ? without[skip < K ? skip : 0] : all)[j] = c[j];
    }
    for (int k = 0; k < K; ++k)
      for (int j = K - 1; j >= 0; --j)
        value[k] = value[k] * Points<K>::p[k] * Points<K>::p[k] + without[k][j];
  }
};
template <int K>
constexpr Toom<K> kToom{};

constexpr double power(double x, int n) { return n == 0 ? 1 : x * power(x, n - 1); }

// c[0] d[0] + c[1] d[2] + ...: n terms, c[n - 1] = 1.
template <int n, class T>
NNF_INLINE vec<T> sum_even(const double* c, const vec<T>* d) {
  vec<T> s = d[2 * (n - 1)];
#pragma GCC unroll 4
  for (int j = n - 2; j >= 0; --j) s = fma(set1<T>(T(c[j])), d[2 * j], s);
  return s;
}

// The image's step: d and v have 2 K + 2 elements.
template <int K, class T>
NNF_INLINE void transform_input(const vec<T>* d, vec<T>* v) {
  v[0] = sum_even<K + 1, T>(kToom<K>.all, d);
  v[2 * K + 1] = sum_even<K + 1, T>(kToom<K>.all, d + 1);
#pragma GCC unroll 3
  for (int k = 0; k < K; ++k) {
    const vec<T> even = sum_even<K, T>(kToom<K>.without[k], d + 2);
    const vec<T> odd = sum_even<K, T>(kToom<K>.without[k], d + 1);
    const vec<T> p = set1<T>(T(Points<K>::p[k]));
    v[2 * k + 1] = fma(p, odd, even);
    v[2 * k + 2] = fma(-p, odd, even);
  }
}

// The step of R taps g: u has 2 K + 2 elements.
template <int K, int R, class T>
NNF_INLINE void transform_taps(const vec<T>* g, vec<T>* u) {
  u[0] = set1<T>(T(1 / kToom<K>.all[0])) * g[0];
  u[2 * K + 1] = g[R - 1];
#pragma GCC unroll 3
  for (int k = 0; k < K; ++k) {
    const double p = Points<K>::p[k], scale = 1 / (2 * p * p * kToom<K>.value[k]);
    vec<T> even = set1<T>(T(scale)) * g[0], odd = set1<T>(T(scale * p)) * g[1];
#pragma GCC unroll 6
    for (int i = 2; i < R; ++i) {
      vec<T>& half = i % 2 ? odd : even;
      half = fma(set1<T>(T(scale * power(p, i))), g[i], half);
    }
    u[2 * k + 1] = even + odd;
    u[2 * k + 2] = even - odd;
  }
}

// The step back: m has 2 K + 2 elements, y has M.
template <int K, int M, class T>
NNF_INLINE void transform_output(const vec<T>* m, vec<T>* y) {
  vec<T> sum[K], difference[K];
#pragma GCC unroll 3
  for (int k = 0; k < K; ++k) {
    sum[k] = m[2 * k + 1] + m[2 * k + 2];
    difference[k] = m[2 * k + 1] - m[2 * k + 2];
  }
#pragma GCC unroll 6
  for (int i = 0; i < M; ++i) {
    vec<T> s = i == 0 ? m[0] : i == M - 1 ? m[2 * K + 1] : vec<T>{};
#pragma GCC unroll 3
    for (int k = 0; k < K; ++k) {
      const vec<T> half = i % 2 ? difference[k] : sum[k];
      const vec<T> c = set1<T>(T(power(Points<K>::p[k], i)));
      s = k == 0 && i > 0 && i < M - 1 ? c * half : i == 0 ? s + half : fma(c, half, s);
    }
    y[i] = s;
  }
}

// n <= kLanes runs of m <= kLanes elements each, `step` apart, as m vectors.
template <class T>
NNF_INLINE void load_transposed(const T* src, int64_t step, int n, int m, vec<T> (&r)[kLanes<T>]) {
  constexpr int L = kLanes<T>;
  if (n == L && m == L) {
#pragma GCC unroll 16
    for (int l = 0; l < L; ++l) r[l] = load<T>(src + l * step);
  } else {
#pragma GCC unroll 16
    for (int l = 0; l < L; ++l) r[l] = l < n ? load_n<T>(src + l * step, m < L ? m : L) : vec<T>{};
  }
  transpose<T>(r);
}

// Rows of an image as vectors of kLanes channels, with zeros around the image; the last A rows
// are kept, row h in slot h % A.
template <class T, int A>
struct RowRing {
  const WinogradRegion& g;
  const T* x;
  int channels;
  T* memory;
  int64_t width, lo, hi;  // pixels of a slot; those inside of the image

  RowRing(const WinogradRegion& g, const T* x, int channels, T* memory)
      : g(g), x(x), channels(channels), memory(memory) {
    width = g.tile_cols * (A - 2) + 2;
    lo = g.col < 0 ? -g.col : 0;
    hi = g.W - g.col < width ? g.W - g.col : width;
    if (lo > width) lo = width;
    if (hi < lo) hi = lo;
    for (int s = 0; s < A; ++s) {
      zero(slot(s), lo);
      zero(slot(s) + hi * kLanes<T>, width - hi);
    }
  }

  T* slot(int64_t row) { return memory + row % A * width * kLanes<T>; }  // row counted from g.row

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

template <class T, int M>
void input_tiles(const WinogradRegion& g, const T* x, int channels, T* scratch, T* v,
                 int64_t step) {
  constexpr int A = M + 2, L = kLanes<T>;
  RowRing<T, A> ring(g, x, channels, scratch);
  ring.fill(0, 2);
  for (int64_t tr = 0; tr < g.tile_rows; ++tr) {
    ring.fill(tr * M + 2, tr * M + A);
    const T* row[A];
    for (int i = 0; i < A; ++i) row[i] = ring.slot(tr * M + i);
    for (int64_t tc = 0; tc < g.tile_cols; ++tc, v += L) {
      vec<T> t[A][A];
      for (int j = 0; j < A; ++j) {
        vec<T> d[A], c[A];
#pragma GCC unroll 8
        for (int i = 0; i < A; ++i) d[i] = load<T>(row[i] + (tc * M + j) * L);
        transform_input<M / 2, T>(d, c);
#pragma GCC unroll 8
        for (int i = 0; i < A; ++i) t[i][j] = c[i];
      }
      for (int i = 0; i < A; ++i) {
        vec<T> c[A];
        transform_input<M / 2, T>(t[i], c);
#pragma GCC unroll 8
        for (int j = 0; j < A; ++j) store<T>(v + (i * A + j) * step, c[j]);
      }
    }
  }
}

// Tiles of a region of an image, channels x[0], x[plane], ... (at most kLanes): tile t of
// frequency f goes to v[f * step + t * kLanes]. scratch: (m + 2) (m tile_cols + 2) vectors.
template <class T>
void winograd_input(int m, const WinogradRegion& g, const T* x, int channels, T* scratch, T* v,
                    int64_t step) {
  if (m == 2) return input_tiles<T, 2>(g, x, channels, scratch, v, step);
  if (m == 4) return input_tiles<T, 4>(g, x, channels, scratch, v, step);
  input_tiles<T, 6>(g, x, channels, scratch, v, step);
}

template <class T, int M>
void weight_tiles(int outputs, int64_t C, const T* w, int64_t o_step, int64_t c_step, bool rotate,
                  T* u, int64_t step) {
  constexpr int A = M + 2, L = kLanes<T>;
  for (int64_t c = 0; c < C; ++c, w += c_step, u += L) {
    vec<T> taps[round_up(9, L)];
    for (int k = 0; k < 9; k += L) {
      vec<T> r[L];
      load_transposed<T>(w + k, o_step, outputs, 9 - k, r);
#pragma GCC unroll 16
      for (int l = 0; l < L; ++l) taps[k + l] = r[l];
    }
    vec<T> t[A][3];
    for (int j = 0; j < 3; ++j) {
      vec<T> g[3], r[A];
      for (int i = 0; i < 3; ++i) g[i] = taps[rotate ? 8 - 3 * i - j : 3 * i + j];
      transform_taps<M / 2, 3, T>(g, r);
#pragma GCC unroll 8
      for (int i = 0; i < A; ++i) t[i][j] = r[i];
    }
    for (int i = 0; i < A; ++i) {
      vec<T> r[A];
      transform_taps<M / 2, 3, T>(t[i], r);
#pragma GCC unroll 8
      for (int j = 0; j < A; ++j) store<T>(u + (i * A + j) * step, r[j]);
    }
  }
}

// Weights of a block of outputs (at most kLanes, o_step apart) and C channels: channel c of
// frequency f goes to u[f * step + c * kLanes]. rotate: by half a turn, for the gradient.
template <class T>
void winograd_weight(int m, int outputs, int64_t C, const T* w, int64_t o_step, int64_t c_step,
                     bool rotate, T* u, int64_t step) {
  if (m == 2) return weight_tiles<T, 2>(outputs, C, w, o_step, c_step, rotate, u, step);
  if (m == 4) return weight_tiles<T, 4>(outputs, C, w, o_step, c_step, rotate, u, step);
  weight_tiles<T, 6>(outputs, C, w, o_step, c_step, rotate, u, step);
}

// Tiles of a register tile, and its output blocks.
constexpr int kWinogradRows = NNF_VECTOR_BYTES == 64 ? 14 : 6;
constexpr int kWinogradBlocks = 2;

// R tiles and B blocks of outputs, summed over C channels in order.
template <class T, int R, int B>
void product_tile(int64_t C, const T* v, int64_t v_block, const T* u, int64_t u_block, T* y,
                  int64_t y_block) {
  constexpr int L = kLanes<T>;
  vec<T> acc[R][B] = {};
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
                  int64_t u_block, T* y, int64_t y_block) {
  if constexpr (R > 1) {
    if (rows < R)
      return product_rows<T, R - 1>(rows, blocks, C, v, v_block, u, u_block, y, y_block);
  }
  if (blocks > 1)
    product_tile<T, R, 2>(C, v, v_block, u, u_block, y, y_block);
  else
    product_tile<T, R, 1>(C, v, v_block, u, u_block, y, y_block);
}

// The products of every frequency: y (blocks x tiles) = u (blocks x C) v (C x tiles). Blocks of
// u are u_block apart, frequencies C kLanes; v and y are dense.
template <class T>
void winograd_multiply(int m, int64_t tiles, int64_t C, int64_t blocks, const T* v, const T* u,
                       int64_t u_block, T* y) {
  constexpr int L = kLanes<T>;
  const int64_t panels = (tiles + kWinogradRows - 1) / kWinogradRows;
  const int64_t v_step = (C + L - 1) / L * tiles * L, y_step = blocks * tiles * L;
  for (int f = 0; f < (m + 2) * (m + 2); ++f, v += v_step, u += C * L, y += y_step) {
    for (int64_t b = 0; b < blocks; b += kWinogradBlocks) {
      for (int64_t i = 0; i < panels; ++i) {
        const int64_t t0 = i * tiles / panels, t1 = (i + 1) * tiles / panels;  // of equal size
        product_rows<T, kWinogradRows>(int(t1 - t0), int(blocks - b), C, v + t0 * L, tiles * L,
                                       u + b * u_block, u_block, y + (b * tiles + t0) * L,
                                       tiles * L);
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
void output_tiles(const WinogradRegion& g, const T* m, int64_t step, const T* bias, int channels,
                  T* scratch, T* y) {
  constexpr int A = M + 2, L = kLanes<T>;
  const int64_t width = g.W - g.col < g.tile_cols * M ? g.W - g.col : g.tile_cols * M;
  const vec<T> b = bias ? load_n<T>(bias, channels) : vec<T>{};
  for (int64_t tr = 0; tr < g.tile_rows; ++tr) {
    const int64_t h = g.row + tr * M;
    const int rows = g.H - h < M ? int(g.H - h) : M;
    for (int64_t tc = 0; tc < g.tile_cols; ++tc, m += L) {
      T* dst = scratch + tc * M * L;
      const int cols = width - tc * M < M ? int(width - tc * M) : M;
      vec<T> t[M][A];
      for (int j = 0; j < A; ++j) {
        vec<T> d[A], r[M];
#pragma GCC unroll 8
        for (int i = 0; i < A; ++i) d[i] = load<T>(m + (i * A + j) * step);
        transform_output<M / 2, M, T>(d, r);
#pragma GCC unroll 6
        for (int i = 0; i < M; ++i) t[i][j] = r[i];
      }
      for (int i = 0; i < rows; ++i, dst += width * L) {
        vec<T> r[M];
        transform_output<M / 2, M, T>(t[i], r);
#pragma GCC unroll 6
        for (int j = 0; j < M; ++j)
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

// The way back: tile t of frequency f lies at products[f * step + t * kLanes]; a region of the
// planes y[0], y[plane], ... of at most kLanes channels is written. scratch: m m tile_cols +
// kLanes vectors.
template <class T>
void winograd_output(int m, const WinogradRegion& g, const T* products, int64_t step, const T* bias,
                     int channels, T* scratch, T* y) {
  if (m == 2) return output_tiles<T, 2>(g, products, step, bias, channels, scratch, y);
  if (m == 4) return output_tiles<T, 4>(g, products, step, bias, channels, scratch, y);
  output_tiles<T, 6>(g, products, step, bias, channels, scratch, y);
}

}  // namespace
}  // namespace nnf
