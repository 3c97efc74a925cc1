// The gradient of the weight straight from the image: like direct.h, sums over pixels.
//
// By vectors of pixels, whose lanes are added at the end, where rows fill them. Else a pixel's dy
// of all channels side by side (turned once) times what each tap sees there, as in a matrix product
// whose A is read where it lies.
//
// Where a kernel has three rows that lie side by side, four products do the work of six: for rows
// d, e of dy and w, x, y, z of the image that they see,
//   a = (w - y) d,  b = (x + y) (d + e) / 2,  c = (y - x) (d - e) / 2,  f = (z - x) e
// give the three sums d w + e x = a + b + c,  d x + e y = b - c,  d y + e z = b + c + f
// (Winograd's F(3, 2)). The four are summed over all pairs of rows before they are put together.
#pragma once

#include "kernels/table.h"
#include "simd/vec.h"

namespace nnf {
namespace {

// Tiles of accumulators: channels x taps by vectors of pixels; taps x 2 vectors of channels.
template <class T>
constexpr int kPixelRows = NNF_VECTOR_REGISTERS == 32 ? 5 : 3;
template <class T>
constexpr int kPixelTaps = NNF_VECTOR_REGISTERS == 32 ? 5 : 4;
template <class T>
constexpr int kChannelTaps = NNF_VECTOR_REGISTERS == 32 ? 13 : 5;

// What of dy is multiplied.
enum class Rows { one, sum, difference };

// The first `taps` of K taps count. Asks for what of dy is read next.
template <class T, int M, int K, Rows R>
void weight_pixels(const WeightArgs<T>& d, int taps, const int64_t* offset, const T* dy, T* dw) {
  constexpr int L = kLanes<T>;
  vec<T> acc[M][K] = {};
  const T* x[K];
  for (int k = 0; k < K; ++k) x[k] = d.x + offset[k < taps ? k : 0];
  for (int64_t r = 0; r < d.n; ++r) {
    const PixelRun& run = d.runs[r];
    const T* from = dy + run.dst;
    const auto add = [&](auto read) __attribute__((always_inline)) {
      vec<T> v[M];
#pragma GCC unroll 5
      for (int i = 0; i < M; ++i) {
        const T* at = from + i * d.plane;
        v[i] = read(at);
        if constexpr (R == Rows::one) __builtin_prefetch(at + d.ahead, 0, 2);
        if constexpr (R == Rows::sum) v[i] = v[i] + read(at + d.row);
        if constexpr (R == Rows::difference) v[i] = v[i] - read(at + d.row);
      }
#pragma GCC unroll 5
      for (int k = 0; k < K; ++k) {
        const vec<T> seen = read(x[k] + run.src);
#pragma GCC unroll 5
        for (int i = 0; i < M; ++i) acc[i][k] = fma(v[i], seen, acc[i][k]);
      }
    };
    if (run.len == L)
      add([](const T* p) __attribute__((always_inline)) { return load<T>(p); });
    else
      add([n = int(run.len)](const T* p)
              __attribute__((always_inline)) { return load_n<T>(p, n); });
  }
  T sums[M * K + L];
#pragma GCC unroll 8
  for (int first = 0; first < M * K; first += L) {
    vec<T> part[L];
#pragma GCC unroll 16
    for (int i = 0, t = first; i < L; ++i, ++t) part[i] = t < M * K ? acc[t / K][t % K] : vec<T>{};
    store<T>(sums + first, reduce_each<T>(part));
  }
  for (int i = 0; i < M; ++i)
    for (int k = 0; k < K && k < taps; ++k) dw[i * d.ld + k] += sums[i * K + k];
}

// There are tiles of kPixelTaps taps and of one or two fewer.
template <class T, Rows R, int M, int K>
void weight_pixel_tile(const WeightArgs<T>& d, int m, int taps, const int64_t* offset, const T* dy,
                       T* dw) {
  if constexpr (M > 1) {
    if (m < M) return weight_pixel_tile<T, R, M - 1, K>(d, m, taps, offset, dy, dw);
  }
  if constexpr (K > kPixelTaps<T> - 2) {
    if (taps < K) return weight_pixel_tile<T, R, M, K - 1>(d, m, taps, offset, dy, dw);
  }
  weight_pixels<T, M, K, R>(d, taps, offset, dy, dw);
}

// Part t of n things in parts of nearly the same size, at most `most`: where it begins.
NNF_INLINE int64_t part_begin(int64_t n, int most, int64_t t) {
  const int64_t parts = (n + most - 1) / most, more = n % parts;
  return t * (n / parts) + (t < more ? t : more);
}

// All taps of m <= kPixelRows channels.
template <class T, Rows R>
void weight_pixel_tiles(const WeightArgs<T>& d, int m, int64_t K, const T* dy, T* dw) {
  for (int64_t s = 0, k = 0; k < K; ++s) {
    const int64_t end = part_begin(K, kPixelTaps<T>, s + 1);
    weight_pixel_tile<T, R, kPixelRows<T>, kPixelTaps<T>>(d, m, int(end - k), d.offset + k, dy,
                                                          dw + k);
    k = end;
  }
}

// Calls f(m, d, dy, dw) for tiles of m channels, d being that of the tile.
template <class T, class F>
NNF_INLINE void for_pixel_rows(WeightArgs<T> d, int64_t rows, F f) {
  const int64_t ahead = d.ahead;
  for (int64_t t = 0, i = 0; i < rows; ++t) {
    const int64_t end = part_begin(rows, kPixelRows<T>, t + 1);
    d.ahead = end < rows ? (end - i) * d.plane : ahead - i * d.plane;
    f(int(end - i), d, d.dy + i * d.plane, d.dw + i * d.ld);
    i = end;
  }
}

// dw[i * ld + k] += sum over the runs of dy[i * plane + run] x[offset[k] + run], i < rows, k < K.
template <class T>
void direct_weight(const WeightArgs<T>& d, int64_t rows, int64_t K) {
  for_pixel_rows<T>(d, rows, [K](int m, const WeightArgs<T>& tile, const T* dy, T* dw) {
    weight_pixel_tiles<T, Rows::one>(tile, m, K, dy, dw);
  });
}

// Part q of x gives sums dw[i * ld + q * K + k], as above, of rows of dy, their sums with the next
// row, their differences, and the next row.
template <class T>
void direct_weight_pairs(const WeightPairs<T>& p, int64_t rows, int64_t K) {
  for_pixel_rows<T>(p.d, rows, [&](int m, WeightArgs<T> d, const T* dy, T* dw) {
    WeightArgs<T> odd = d;
    odd.runs = p.odd, odd.n = p.odds;
    for (int q = 0; q < 4; ++q, dw += K, d.x += p.x_step, odd.x += p.x_step) {
      if (q == 1)
        weight_pixel_tiles<T, Rows::sum>(d, m, K, dy, dw);
      else if (q == 2)
        weight_pixel_tiles<T, Rows::difference>(d, m, K, dy, dw);
      else
        weight_pixel_tiles<T, Rows::one>(d, m, K, q == 0 ? dy : dy + d.row, dw);
      if (q < 3 && p.odds > 0) weight_pixel_tiles<T, Rows::one>(odd, m, K, dy, dw);
    }
  });
}

// The four parts of an image, a row of each for a pair of rows. Rows are whole vectors; the last
// pair of an odd number lacks what is seen by its second row alone.
template <class T>
void pair_rows(const PairArgs& a, const T* x, T* y) {
  constexpr int L = kLanes<T>;
  for (int64_t c = 0; c < a.channels; ++c, x += a.plane, y += a.to_plane)
    for (int64_t r = 0; r < a.rows; r += 2) {
      const T* from = x + r * a.ld;
      const T* fourth = from + (r + 1 < a.rows ? 3 : 2) * a.ld;
      T* to = y + r / 2 * a.ld;
      for (int64_t i = 0; i < a.ld; i += L, from += L, fourth += L, to += L) {
        const vec<T> u = load<T>(from + a.ld), v = load<T>(from + 2 * a.ld);
        store<T>(to, load<T>(from) - v);
        store<T>(to + a.step, u + v);
        store<T>(to + 2 * a.step, v - u);
        store<T>(to + 3 * a.step, load<T>(fourth) - u);
      }
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
