// Convolution as a matrix product: panels (see gemm.h) gathered straight from images.
//
// Xhat is the matrix of what each tap of each channel sees at each pixel: row k = tap * channels
// + channel, tap = i * KW + j; column q = (n * OH + oh) * OW + ow over all images. The channel
// is the fast index, because all channels of a tap share one geometry. Xhat is never written out.
#pragma once

#include "kernels/gemm.h"
#include "kernels/image_grid.h"
#include "kernels/transpose.h"
#include "kernels/window.h"
#include "simd/vec.h"

namespace nnf {
namespace {

// Pixels of a panel that lie in one row of the grid.
struct Segment {
  int64_t image, oh, ow;  // image: offset of its first element
  int dst, len;
};

// Elements of a panel row that come from one run of the image, or are zero.
struct Run {
  int64_t src;  // kZeros: none
  int dst, len;
};
constexpr int64_t kZeros = -1;

NNF_INLINE int cut_into_rows(const ImageGrid& g, int64_t q, int n, Segment* out) {
  int64_t ow = q % g.OW, row = q / g.OW;
  int64_t oh = row % g.OH, image = row / g.OH * g.image;
  int count = 0;
  for (int dst = 0; dst < n; ow = 0) {
    const int len = n - dst < g.OW - ow ? n - dst : int(g.OW - ow);
    out[count++] = {image, oh, ow, dst, len};
    dst += len;
    if (++oh == g.OH) oh = 0, image += g.image;
  }
  return count;
}

// Appends a run, or makes the last one longer where the new one continues it.
NNF_INLINE void add_run(Run* runs, int& count, int64_t src, int dst, int len, int64_t step) {
  if (len <= 0) return;
  if (count > 0) {
    Run& last = runs[count - 1];
    const bool zeros = src == kZeros && last.src == kZeros;
    const bool adjacent = src != kZeros && last.src != kZeros && src == last.src + last.len * step;
    if (zeros || adjacent) {
      last.len += len;
      return;
    }
  }
  runs[count++] = {src, dst, len};
}

// The runs of one row of a panel: what tap (i, j) sees in channel 0.
template <class T>
NNF_INLINE int find_runs(const ImageGrid& g, int64_t i, int64_t j, const Segment* segments, int n,
                         int used, Run* runs) {
  int count = 0;
  for (int s = 0; s < n; ++s) {
    const Segment& seg = segments[s];
    const int64_t h = seg.oh * g.sh + g.row[i], end = seg.ow + seg.len;
    int64_t lo = seg.ow > g.begin[j] ? seg.ow : g.begin[j];
    int64_t hi = end < g.end[j] ? end : g.end[j];
    if (h < 0 || h >= g.H || lo >= hi) lo = hi = end;
    const int64_t src = seg.image + h * g.W + lo * g.sw + g.col[j];
    add_run(runs, count, kZeros, seg.dst, int(lo - seg.ow), g.sw);
    add_run(runs, count, src, seg.dst + int(lo - seg.ow), int(hi - lo), g.sw);
    add_run(runs, count, kZeros, seg.dst + int(hi - seg.ow), int(end - hi), g.sw);
  }
  add_run(runs, count, kZeros, used, kNR<T> - used, g.sw);
  return count;
}

// Writes a run in whole vectors: up to lanes - 1 elements behind it are overwritten, with zeros.
template <class T>
NNF_INLINE void copy_run(const T* src, int64_t step, int len, T* dst) {
  constexpr int L = kLanes<T>;
  if (step == 1) {
    for (int i = 0; i < len; i += L)
      store<T>(dst + i, len - i >= L ? load<T>(src + i) : load_n<T>(src + i, len - i));
  } else if (step == 2) {
    for (int i = 0; i < len; i += L)
      store<T>(dst + i, load_even<T>(src + 2 * i, len - i < L ? len - i : L));
  } else {
    for (int i = 0; i < len; ++i) dst[i] = src[i * step];
  }
}

template <class T>
NNF_INLINE void copy_channels(const ImageGrid& g, const T* x, int64_t channels, const Run* runs,
                              int count, T* panel) {
  constexpr int R = kNR<T>, L = kLanes<T>;
  if (count == 1 && runs[0].src != kZeros && g.sw == 1) {
    x += runs[0].src;
    for (int64_t c = 0; c < channels; ++c, x += g.plane, panel += R) {
      store<T>(panel, load<T>(x));
      store<T>(panel + L, load<T>(x + L));
    }
    return;
  }
  for (int64_t c = 0; c < channels; ++c, x += g.plane, panel += R) {
    for (int r = 0; r < count; ++r) {
      const Run& run = runs[r];
      if (run.src == kZeros)
        for (int i = 0; i < run.len; i += L) store<T>(panel + run.dst + i, vec<T>{});
      else
        copy_run<T>(x + run.src, g.sw, run.len, panel + run.dst);
    }
  }
}

// Rows [k0, k0 + k) and columns [q0, q0 + n) of Xhat, n <= kNR, as a panel of B; columns from n
// on are zero. Overwrites up to lanes - 1 elements behind the panel.
template <class T>
void pack_pixels(const ImageGrid& g, const T* x, int64_t k0, int64_t k, int64_t q0, int n,
                 T* panel) {
  constexpr int R = kNR<T>;
  if (k == 0) return;  // there may be no channel, or no tap
  Segment segments[R];
  Run runs[R];
  const int n_segments = cut_into_rows(g, q0, n, segments);
  int64_t c = k0 % g.channels, tap = k0 / g.channels, i = tap / g.KW, j = tap % g.KW;
  while (k > 0) {
    const int64_t m = k < g.channels - c ? k : g.channels - c;
    const int count = find_runs<T>(g, i, j, segments, n_segments, n, runs);
    copy_channels<T>(g, x + c * g.plane, m, runs, count, panel);
    panel += m * R, k -= m, c = 0;
    if (++j == g.KW) j = 0, ++i;
  }
}

// The same transposed: columns are rows [k0, k0 + n) of Xhat, n <= kNR, and row p is its column
// q0 + p, p < pixels. Columns from n on are undefined.
template <class T>
void pack_pixels_transposed(const ImageGrid& g, const T* x, int64_t k0, int n, int64_t q0,
                            int64_t pixels, T* panel) {
  constexpr int R = kNR<T>, L = kLanes<T>;
  T block[R * R + L] = {};
  for (int64_t p = 0; p < pixels; p += R, panel += R * R) {
    const int m = pixels - p < R ? int(pixels - p) : R;
    pack_pixels<T>(g, x, k0, n, q0 + p, m, block);
    for (int i = 0; i < m; i += L) {
      for (int j = 0; j < n; j += L) {
        vec<T> r[L];
#pragma GCC unroll 16
        for (int l = 0; l < L; ++l) r[l] = load<T>(block + (j + l) * R + i);
        transpose<T>(r);
#pragma GCC unroll 16
        for (int l = 0; l < L; ++l)
          if (i + l < m) store<T>(panel + (i + l) * R + j, r[l]);
      }
    }
  }
}

// One channel of the weights of m <= kMR rows, `step` apart: tap k of all rows goes to to[k], as
// in a panel of A; nowhere where that is null.
template <class T>
void pack_taps(int m, int taps, const T* w, int64_t step, T* const* to) {
  constexpr int R = kMR<T>, L = kLanes<T>;
  for (int k = 0; k < taps; k += L, w += L)
    for (int i = 0; i < R; i += L) {
      vec<T> r[L];
      load_transposed<T>(w + i * step, step, m - i, taps - k, r);
#pragma GCC unroll 16
      for (int l = 0; l < L; ++l)
        if (l < taps - k && to[k + l]) store_n<T>(to[k + l] + i, r[l], R - i < L ? R - i : L);
    }
}

// y[0], y[2], ... y[2 n - 2] = x[0], x[1], ...; what lies between stays, what lies behind is not
// touched.
template <class T>
NNF_INLINE void spread_row(const T* x, int64_t n, T* y) {
  constexpr int L = kLanes<T>;
  for_lanes<T>(n, [&](int64_t j, int k) __attribute__((always_inline)) {
    T* to = y + 2 * j;
    const int all = 2 * k - 1, first = all < L ? all : L, second = all - first;
    const vec<T> a = load_k<T>(to, first), b = second > 0 ? load_n<T>(to + L, second) : vec<T>{};
    vec<T> low, high;
    interleave<T>(load_k<T>(x + j, k), odd_lanes<T>(a, b), low, high);
    store_k<T>(to, low, first);
    if (second > 0) store_n<T>(to + L, high, second);
  });
}

// Columns [q0, q0 + n) of a block (m x n, row stride ldb) go to the grid's pixels in m planes:
// pixel q lies at (q / OW) * row_step + (q % OW) * col_step.
template <class T>
void scatter_pixels(int64_t m, int64_t q0, int64_t n, const T* block, int64_t ldb, int64_t OW,
                    int64_t row_step, int64_t col_step, int64_t plane, T* y) {
  for (int64_t i = 0; i < m; ++i, block += ldb, y += plane) {
    int64_t ow = q0 % OW, row = q0 / OW * row_step;
    for (int64_t j = 0; j < n; ow = 0, row += row_step) {
      const int64_t len = OW - ow < n - j ? OW - ow : n - j;
      T* to = y + row + ow * col_step;
      if (col_step == 2)
        spread_row<T>(block + j, len, to);
      else
        for (int64_t l = 0; l < len; ++l) to[l * col_step] = block[j + l];
      j += len;
    }
  }
}

}  // namespace
}  // namespace nnf
