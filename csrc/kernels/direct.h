// Convolution straight from an image whose border is there: nothing is gathered.
//
// A vector of the result is a run of pixels of one row. What tap k sees for it lies side by side
// too, a fixed distance from what the other taps see: a tile of M channels x V vectors is a
// register tile of a matrix product whose B is read where it lies.
#pragma once

#include "kernels/table.h"
#include "kernels/window.h"
#include "simd/vec.h"

namespace nnf {
namespace {

// Channels of a tile at most, and how many vectors a tile of M channels has: all but one register.
template <class T>
constexpr int kDirectRows = NNF_VECTOR_REGISTERS == 32 ? 14 : 6;
template <int M>
constexpr int direct_vectors() {
  return M < 3 ? NNF_VECTOR_REGISTERS / 4 : (NNF_VECTOR_REGISTERS - 1) / (M + 1);
}

template <class T, int M, int V>
NNF_INLINE void direct_group(const DirectArgs<T>& d, const PixelRun* runs) {
  vec<T> acc[M][V];
  const T* x[V];
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) x[v] = d.x + runs[v].src;
#pragma GCC unroll 14
  for (int i = 0; i < M; ++i) {
    const vec<T> start = d.bias ? set1<T>(d.bias[i]) : vec<T>{};
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) acc[i][v] = start;
  }
  const T* w = d.w;
  for (int64_t k = 0; k < d.K; ++k, w += M) {
    const int64_t offset = d.offset[k];
    vec<T> b[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) b[v] = load<T>(x[v] + offset);
#pragma GCC unroll 14
    for (int i = 0; i < M; ++i) {
      const vec<T> wi = set1<T>(w[i]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) acc[i][v] = fma(wi, b[v], acc[i][v]);
    }
  }
  bool whole = !d.accumulate;
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) whole &= runs[v].len == kLanes<T>;
  T* y = d.y;
  if (whole) {
#pragma GCC unroll 14
    for (int i = 0; i < M; ++i, y += d.plane)
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) store<T>(y + runs[v].dst, acc[i][v]);
    return;
  }
#pragma GCC unroll 14
  for (int i = 0; i < M; ++i, y += d.plane) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      T* to = y + runs[v].dst;
      const int n = int(runs[v].len);
      if (d.accumulate) acc[i][v] = load_n<T>(to, n) + acc[i][v];
      store_n<T>(to, acc[i][v], n);
    }
  }
}

template <class T, int M, int V>
void direct_groups(const DirectArgs<T>& d, const PixelRun* runs, int64_t n) {
  for (; n >= V; n -= V, runs += V) direct_group<T, M, V>(d, runs);
  if constexpr (V > 1) {
    if (n > 0) direct_groups<T, M, V / 2>(d, runs, n);
  }
}

template <class T, int M>
void direct_rows(const DirectArgs<T>& d, int m) {
  if constexpr (M > 1) {
    if (m < M) return direct_rows<T, M - 1>(d, m);
  }
  direct_groups<T, M, direct_vectors<M>()>(d, d.runs, d.n);
}

// m channels, 1 <= m <= direct_rows, of the runs: see DirectArgs. Reads whole vectors of x.
template <class T>
void direct(const DirectArgs<T>& d, int m) {
  direct_rows<T, kDirectRows<T>>(d, m);
}

// A run of a padded row: zeros, then `inside` elements of every step-th column from `from` on,
// then zeros.
struct PadRun {
  int64_t lead, from, inside;

  PadRun() = default;
  NNF_INLINE PadRun(const PadArgs& p, int64_t s, int64_t step) {
    const int64_t first = p.first_col + s;
    lead = first < 0 ? (step - 1 - first) / step : 0;
    if (lead > p.ld) lead = p.ld;
    from = first + lead * step;
    inside = from < p.W ? (p.W - 1 - from) / step + 1 : 0;
    if (inside > p.ld - lead) inside = p.ld - lead;
  }
};

// Writes whole vectors: up to lanes - 1 elements behind n are overwritten. Asks for what lies
// `ahead`.
template <class T, int kStep>
NNF_INLINE void pad_row(const T* row, const PadRun& run, int64_t step, int64_t n, int64_t ahead,
                        T* dst) {
  constexpr int L = kLanes<T>;
  for (int64_t i = 0; i < run.lead; i += L) store<T>(dst + i, vec<T>{});
  dst += run.lead, n -= run.lead;
  int64_t i = 0;
  for (; i < run.inside; i += L) {
    const T* src = row + run.from + i * step;
    __builtin_prefetch(src + ahead);
    const int64_t left = run.inside - i;
    store<T>(dst + i, load_step<T, kStep>(src, step, left < L ? int(left) : L));
  }
  for (; i < n; i += L) store<T>(dst + i, vec<T>{});
}

// Rows of an image with its border, each cut into step runs of every step-th column: see PadArgs.
// Overwrites up to lanes - 1 elements behind.
template <class T, int kStep>
void pad_rows(const PadArgs& p, const T* x, int64_t channels, int64_t first_row, int64_t rows,
              T* dst) {
  const int64_t step = kStep ? kStep : p.step;
  const PadRun outside = {};
  PadRun known[kStep ? kStep : 1];
  for (int s = 0; s < kStep; ++s) known[s] = PadRun(p, s, kStep);
  for (int64_t c = 0; c < channels; ++c, x += p.plane, dst += p.dst_plane) {
    T* to = dst;
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t h = first_row + r;
      const bool is_inside = h >= 0 && h < p.H;
      for (int64_t s = 0; s < step; ++s, to += p.ld) {
        if (is_inside)
          pad_row<T, kStep>(x + h * p.W, kStep ? known[s] : PadRun(p, s, step), step, p.ld, p.plane,
                            to);
        else
          pad_row<T, kStep>(x, outside, step, p.ld, p.plane, to);
      }
    }
  }
}

template <class T>
void pad_image(const PadArgs& p, const T* x, int64_t channels, int64_t first_row, int64_t rows,
               T* dst) {
  if (p.step == 1)
    pad_rows<T, 1>(p, x, channels, first_row, rows, dst);
  else if (p.step == 2)
    pad_rows<T, 2>(p, x, channels, first_row, rows, dst);
  else
    pad_rows<T, 0>(p, x, channels, first_row, rows, dst);
}

}  // namespace
}  // namespace nnf
