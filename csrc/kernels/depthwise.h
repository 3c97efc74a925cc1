// Convolutions of one plane by itself, with square kernels: where a group has one channel, a
// matrix product would have a single row. Where results stand at pixels, the image is read in
// place; else its rows are copied to where their border is (see PlaneBuffer), a few ahead of their
// use.
#pragma once

#include "kernels/table.h"
#include "simd/vec.h"

namespace nnf {
namespace {

// Rows of results at once: a vector of x is loaded once for all that see it.
constexpr int kTall = 4;

#define NNF_DEPTHWISE(k, stride, f)    \
  (stride == 1 ? k == 3   ? f<T, 3, 1> \
                 : k == 5 ? f<T, 5, 1> \
                          : f<T, 7, 1> \
   : k == 3    ? f<T, 3, 2>            \
   : k == 5    ? f<T, 5, 2>            \
               : f<T, 7, 2>)

NNF_INLINE int lanes_of(int64_t n, int lanes) { return n < 0 ? 0 : n < lanes ? int(n) : lanes; }

// A row of the image (null: of zeros) as S runs of every S-th column, ld apart.
template <class T, int S>
NNF_INLINE void copy_row(const T* x, int64_t W, int64_t ld, T* to) {
  constexpr int L = kLanes<T>;
  for (int64_t i = 0; i < W; i += S * L, to += L) {
    const int n = lanes_of(W - i, L), m = lanes_of(W - i - L, L);
    const vec<T> a = x ? load_n<T>(x + i, n) : vec<T>{};
    if constexpr (S == 1) {
      store<T>(to, a);
    } else {
      const vec<T> b = x && m > 0 ? load_n<T>(x + i + L, m) : vec<T>{};
      store<T>(to, even_lanes<T>(a, b));
      store<T>(to + ld, odd_lanes<T>(a, b));
    }
  }
}

// Calls f(oh, rows, x) for tiles of kTall rows of results, x being where column 0 of what tap row 0
// sees lies.
template <class T, int K, int S, class F>
NNF_INLINE void for_tiles(const PlaneArgs<T>& d, F f) {
  const PlaneBuffer b = d.buffer(K, S, kLanes<T>);
  T* const memory = d.memory + b.left;
  for (int64_t first = 0; first < d.OH; first += b.rows) {
    const int64_t rows = d.OH - first < b.rows ? d.OH - first : b.rows;
    const int64_t all = (rows - 1) * S + K;
    int64_t copied = 0;
    for (int64_t oh = 0; oh < rows; oh += kTall) {
      const int64_t next = (oh + 2 * kTall - 1) * S + K, wanted = next < all ? next : all;
      for (; copied < wanted; ++copied) {
        const int64_t h = first * S - d.ph + copied;
        const bool inside = h >= 0 && h < d.H;
        copy_row<T, S>(inside ? d.x + h * d.W : nullptr, d.W, b.ld, memory + copied * S * b.ld);
      }
      f(first + oh, rows - oh < kTall ? int(rows - oh) : kTall, memory + oh * S * S * b.ld);
    }
  }
}

// Where tap j looks, from where the results lie: off runs of every S-th column.
template <int S>
NNF_INLINE int64_t tap_offset(int64_t j, int64_t pw, int64_t ld) {
  const int64_t at = j - pw + 8 * S;  // not negative
  return at % S * ld + at / S - 8;
}

// Taps that stay in registers; others are loaded for each vector of x.
template <int K>
constexpr bool kHeld = K == 3 && NNF_VECTOR_REGISTERS == 32;

// kTall rows x V vectors of results, of which `rows` and n columns count; x: what lies there.
template <class T, int K, int S, int V>
NNF_INLINE void depthwise_tile(const T* x, int64_t ld, const int64_t* off, const vec<T>* w,
                               vec<T> start, bool add, int rows, int n, int64_t OW, T* y) {
  constexpr int L = kLanes<T>;
  vec<T> sum[kTall][V];
#pragma GCC unroll 4
  for (int r = 0; r < kTall; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) sum[r][v] = start;
#pragma GCC unroll 16
  for (int i = 0; i < (kTall - 1) * S + K; ++i, x += S * ld) {
#pragma GCC unroll 8
    for (int j = 0; j < K; ++j) {
      vec<T> seen[V];
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) {
        seen[v] = load<T>(x + off[j] + v * L);
        in_register(seen[v]);
      }
#pragma GCC unroll 4
      for (int r = 0; r < kTall; ++r) {
        if (i - r * S < 0 || i - r * S >= K) continue;
        vec<T> tap = w[(i - r * S) * K + j];
        if (!kHeld<K>) in_register(tap);
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) sum[r][v] = fma(tap, seen[v], sum[r][v]);
      }
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kTall; ++r, y += OW) {
    if (r >= rows) break;
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      const int k = v < V - 1 ? L : n - (V - 1) * L;
      if (add) sum[r][v] = load_k<T>(y + v * L, k) + sum[r][v];
      store_k<T>(y + v * L, sum[r][v], k);
    }
  }
}

// ---- where result (oh, ow) stands at pixel (S oh, S ow): taps see a row's vectors, shifted ----

template <class T, int K, int S>
NNF_INLINE bool in_place(const PlaneArgs<T>& d) {
  return d.pw == K / 2 && d.OW == (d.W + S - 1) / S;
}

// Whether the vectors of a tile have no neighbours, all of them, or perhaps not.
enum class Where { alone, inside, edge };

// Rows of results at once where they are a vector or less.
constexpr bool kManyRegisters = NNF_VECTOR_REGISTERS == 32;
constexpr int kNarrowTall = kManyRegisters ? 7 : 4;

// Every S-th column of a row of the image from x on as V vectors and both their neighbours, then
// the columns next to them, if S is 2. Before x there is nothing, if it is the first; of the last
// vector and its neighbour there are some elements alone. Three taps see one column before x.
template <class T, int K, int S, int V, Where kWhere>
NNF_INLINE void load_row(const T* x, bool first, const int* some, vec<T> (&part)[S][V + 2]) {
  constexpr int L = kLanes<T>, kAlone = kWhere == Where::alone;
#pragma GCC unroll 4
  for (int v = kAlone; v < V + 2 - kAlone; ++v) {
    vec<T> from[S] = {};
#pragma GCC unroll 2
    for (int s = 0; s < S; ++s) {
      const T* at = x + ((v - 1) * S + s) * L;
      int n = v >= V ? some[(v - V) * S + s] : v == 0 && first ? 0 : L;
      if (kWhere == Where::inside) n = L;
      if (n > 0) from[s] = load_k<T>(at, n);
    }
    if constexpr (S == 1)
      part[0][v] = from[0];
    else if (K == 3 && v == 0)
      part[1][0] = from[1];
    else
      part[0][v] = even_lanes<T>(from[0], from[1]), part[1][v] = odd_lanes<T>(from[0], from[1]);
  }
}

// The vector h elements behind v[1], v[0] and v[2] being its neighbours.
template <class T, int h>
NNF_INLINE vec<T> shifted(const vec<T>* v) {
  if constexpr (h == 0)
    return v[1];
  else if constexpr (h < 0)
    return across<T, kLanes<T> + h>(v[0], v[1]);
  else
    return across<T, h>(v[1], v[2]);
}

// The same for row i, tap J and those behind it.
template <class T, int K, int S, int V, int J = 0, class F>
NNF_INLINE void see_taps(int i, const vec<T> (&part)[S][V + 2], F f) {
  if constexpr (J < K) {
    constexpr int at = J - K / 2 + K * S, odd = at % S;  // not negative
    vec<T> seen[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) seen[v] = shifted<T, at / S - K>(part[odd] + v);
    f(i, J, seen);
    see_taps<T, K, S, V, J + 1>(i, part, f);
  }
}

// Calls f(i, j, seen) for all taps of the rows of the image that R rows of results see, V vectors
// from (oh, ow) on.
template <class T, int K, int S, int V, int R, Where kWhere, class F>
NNF_INLINE void see_rows(const PlaneArgs<T>& d, int64_t oh, int64_t ow, F f) {
  constexpr int L = kLanes<T>;
  int some[2 * S];
#pragma GCC unroll 4
  for (int s = 0; s < 2 * S; ++s) some[s] = lanes_of(d.W - S * ow - ((V - 1) * S + s) * L, L);
#pragma GCC unroll 20
  for (int i = 0; i < (R - 1) * S + K; ++i) {
    const int64_t h = oh * S - d.ph + i;
    vec<T> part[S][V + 2] = {};
    if (h >= 0 && h < d.H)
      load_row<T, K, S, V, kWhere>(d.x + h * d.W + S * ow, ow == 0, some, part);
    see_taps<T, K, S, V>(i, part, f);
  }
}

// R rows x V vectors of results from (oh, ow) on.
template <class T, int K, int S, int V, int R, Where kWhere>
NNF_INLINE void place_tile(const PlaneArgs<T>& d, const vec<T>* w, vec<T> start, bool add,
                           int64_t oh, int64_t ow, T* y) {
  constexpr int L = kLanes<T>;
  vec<T> sum[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) sum[r][v] = start;
  const auto multiply = [&](int i, int j, const vec<T>(&seen)[V]) __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      if (i < r * S || i - r * S >= K) continue;
      vec<T> tap = w[(i - r * S) * K + j];
      if (!kHeld<K> && V > 1) in_register(tap);
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[r][v] = fma(tap, seen[v], sum[r][v]);
    }
  };
  see_rows<T, K, S, V, R, kWhere>(d, oh, ow, multiply);
  const int last = lanes_of(d.OW - ow - (V - 1) * L, L);  // of the last vector
  y += oh * d.OW + ow;
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r, y += d.OW) {
    const int64_t left = (d.OH - oh - r) * d.OW;
    if (left <= 0) break;
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      const int k = v < V - 1 ? L : last;
      if (add)
        store_k<T>(y + v * L, load_k<T>(y + v * L, k) + sum[r][v], k);
      else  // alone, what is too much of a whole vector is written next
        store_k<T>(y + v * L, sum[r][v], kWhere == Where::alone && left >= L ? L : k);
    }
  }
}

template <class T, int K, int S>
NNF_INLINE void place_plane(const PlaneArgs<T>& d, const vec<T>* w, vec<T> start, bool add, T* y) {
  constexpr int L = kLanes<T>, R = kNarrowTall;
  if (d.OW <= L) {
    for (int64_t oh = 0; oh < d.OH; oh += R)
      place_tile<T, K, S, 1, R, Where::alone>(d, w, start, add, oh, 0, y);
    return;
  }
  for (int64_t oh = 0; oh < d.OH; oh += kTall) {
    int64_t ow = 0;
    for (; d.OW - ow > L; ow += 2 * L)
      place_tile<T, K, S, 2, kTall, Where::edge>(d, w, start, add, oh, ow, y);
    if (ow < d.OW) place_tile<T, K, S, 1, kTall, Where::edge>(d, w, start, add, oh, ow, y);
  }
}

template <class T, int K, int S>
void depthwise_plane(const PlaneArgs<T>& d, const T* w, T bias, bool add, T* y) {
  constexpr int L = kLanes<T>;
  vec<T> taps[K * K];
#pragma GCC unroll 49
  for (int t = 0; t < K * K; ++t) {
    taps[t] = set1<T>(w[t]);
    if (kHeld<K>) in_register(taps[t]);
  }
  const vec<T> start = set1<T>(bias);
  if constexpr (K == 3 || (kManyRegisters && K / 2 < L))  // taps see the next vector, no further
    if (in_place<T, K, S>(d)) return place_plane<T, K, S>(d, taps, start, add, y);
  const int64_t ld = d.buffer(K, S, L).ld;
  int64_t off[K];
  for (int j = 0; j < K; ++j) off[j] = tap_offset<S>(j, d.pw, ld);
  for_tiles<T, K, S>(d, [&](int64_t oh, int rows, const T* x) __attribute__((always_inline)) {
    T* to = y + oh * d.OW;
    int64_t ow = 0;
    for (; d.OW - ow > L; ow += 2 * L)
      depthwise_tile<T, K, S, 2>(x + ow, ld, off, taps, start, add, rows,
                                 lanes_of(d.OW - ow, 2 * L), d.OW, to + ow);
    if (ow < d.OW)
      depthwise_tile<T, K, S, 1>(x + ow, ld, off, taps, start, add, rows, int(d.OW - ow), d.OW,
                                 to + ow);
  });
}

// y = bias + (or += bias +) the sum over k x k taps, in order, of w times what they see; stride: 1
// or 2.
template <class T>
void depthwise(int k, int stride, const PlaneArgs<T>& d, const T* w, T bias, bool add, T* y) {
  NNF_DEPTHWISE(k, stride, depthwise_plane)(d, w, bias, add, y);
}

// Two rows of the gradient of the input where the stride is 2, of which `rows` count. x: the first
// row of dy and column that the pair sees. Even taps look K / 2 rows (columns) further down and up
// from there, odd ones from there too or one before.
template <class T, int K>
NNF_INLINE void spread_pair(const T* x, int64_t ld, const T* w, bool odd_row, bool odd_col,
                            bool add, int rows, int64_t OW, T* y) {
  constexpr int L = kLanes<T>, H = K / 2;
  for (int64_t c = 0; c < OW; c += 2 * L, x += L) {
    vec<T> sum[2][2] = {};  // of even and odd taps
#pragma GCC unroll 8
    for (int i = 0; i < K; ++i) {
      const T* row = x + (H - i / 2 - (i % 2 && odd_row)) * ld;
#pragma GCC unroll 8
      for (int j = 0; j < K; ++j) {
        const vec<T> seen = load<T>(row + H - j / 2 - (j % 2 && odd_col));
        sum[i % 2][j % 2] = fma(set1<T>(w[i * K + j]), seen, sum[i % 2][j % 2]);
      }
    }
#pragma GCC unroll 2
    for (int r = 0; r < 2; ++r) {
      if (r >= rows) break;
      const vec<T> even = r != int(odd_row) ? sum[1][0] : sum[0][0];
      const vec<T> odd = r != int(odd_row) ? sum[1][1] : sum[0][1];
      vec<T> out[2];
      interleave<T>(odd_col ? odd : even, odd_col ? even : odd, out[0], out[1]);
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        T* to = y + r * OW + c + v * L;
        const int k = lanes_of(OW - c - v * L, L);
        if (k > 0) store_k<T>(to, add ? load_k<T>(to, k) + out[v] : out[v], k);
      }
    }
  }
}

template <class T, int K>
void spread_plane(const PlaneArgs<T>& dx, const T* w, bool add, T* y) {
  const PlaneArgs<T> d = dx.pairs(K);
  const int64_t ld = d.buffer(K / 2 + 1, 1, kLanes<T>).ld;
  const bool odd_row = dx.ph % 2 != 0, odd_col = dx.pw % 2 != 0;
  for_tiles<T, K / 2 + 1, 1>(
      d, [&](int64_t pair, int pairs, const T* x) __attribute__((always_inline)) {
        for (int p = 0; p < pairs; ++p) {
          const int64_t row = 2 * (pair + p);
          spread_pair<T, K>(x + p * ld - d.pw, ld, w, odd_row, odd_col, add,
                            dx.OH - row < 2 ? 1 : 2, dx.OW, y + row * dx.OW);
        }
      });
}

// y = or += the gradient of the input of a k x k convolution with stride 2, d.x being that of the
// output: ph and pw are the convolution's padding.
template <class T>
void depthwise_spread(int k, const PlaneArgs<T>& d, const T* w, bool add, T* y) {
  (k == 3 ? spread_plane<T, 3> : k == 5 ? spread_plane<T, 5> : spread_plane<T, 7>)(d, w, add, y);
}

// Rows of taps whose sums are in registers at once.
template <class T, int K>
constexpr int kSumRows = NNF_VECTOR_REGISTERS == 32 ? (K == 7 ? 3 : K)
                         : K == 3                   ? 3
                         : K == 5                   ? 2
                                                    : 1;

// sum[i][j] += over R rows of n pixels, dy times what tap (i, j) sees.
template <class T, int S, int R, int I, int K>
NNF_INLINE void sum_tile(const T* x, int64_t ld, const int64_t* off, const T* dy, int64_t OW, int n,
                         vec<T> (&sum)[I][K]) {
  vec<T> v[R];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) v[r] = load_k<T>(dy + r * OW, n);
#pragma GCC unroll 16
  for (int i = 0; i < (R - 1) * S + I; ++i, x += S * ld) {
#pragma GCC unroll 8
    for (int j = 0; j < K; ++j) {
      vec<T> seen = load_k<T>(x + off[j], n);
      in_register(seen);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        const int t = i - r * S;
        if (t >= 0 && t < I) sum[t][j] = fma(v[r], seen, sum[t][j]);
      }
    }
  }
}

// A tile of rows, for the rows of taps from First on.
template <class T, int K, int S, int First = 0>
NNF_INLINE void sum_rows(const T* x, int64_t ld, const int64_t* off, const T* dy, int64_t OW,
                         int rows, vec<T> (&sum)[K][K]) {
  constexpr int I = K - First < kSumRows<T, K> ? K - First : kSumRows<T, K>;
  const T* from = x + First * S * ld;
  vec<T> part[I][K];
#pragma GCC unroll 49
  for (int t = 0; t < I * K; ++t) part[t / K][t % K] = sum[First + t / K][t % K];
  if (rows == kTall)
    for_lanes<T>(OW, [&](int64_t ow, int n) __attribute__((always_inline)) {
      sum_tile<T, S, kTall>(from + ow, ld, off, dy + ow, OW, n, part);
    });
  else
    for (int r = 0; r < rows; ++r)
      for_lanes<T>(OW, [&](int64_t ow, int n) __attribute__((always_inline)) {
        sum_tile<T, S, 1>(from + r * S * S * ld + ow, ld, off, dy + r * OW + ow, OW, n, part);
      });
#pragma GCC unroll 49
  for (int t = 0; t < I * K; ++t) sum[First + t / K][t % K] = part[t / K][t % K];
  if constexpr (First + I < K) sum_rows<T, K, S, First + I>(x, ld, off, dy, OW, rows, sum);
}

// sum[i][j] += over R rows of a plane that is in_place, a vector from (oh, ow) on, dy times what
// tap (i, j) sees. Lanes behind the last result may see the end of a row: nothing is multiplied
// there.
template <class T, int K, int S, int R, Where kWhere>
NNF_INLINE void sum_place(const PlaneArgs<T>& d, int64_t oh, int64_t ow, const T* dy,
                          vec<T> (&sum)[K][K]) {
  constexpr int L = kLanes<T>;
  const int n = kWhere == Where::inside ? L : lanes_of(d.OW - ow, L);
  const mask<T> counted = iota<int_of<T>>() < int_of<T>(n);
  vec<T> v[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) v[r] = load_k<T>(dy + (oh + r) * d.OW + ow, n);
  const auto add = [&](int i, int j, const vec<T>(&seen)[1]) __attribute__((always_inline)) {
    const bool behind = kWhere != Where::inside && j < K / 2;
    const vec<T> x = behind ? (vec<T>)((mask<T>)seen[0] & counted) : seen[0];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
      if (i >= r * S && i - r * S < K) sum[i - r * S][j] = fma(v[r], x, sum[i - r * S][j]);
  };
  see_rows<T, K, S, 1, R, kWhere>(d, oh, ow, add);
}

// The same over whole rows, R of them.
template <class T, int K, int S, int R>
NNF_INLINE void sum_place_rows(const PlaneArgs<T>& d, int64_t oh, const T* dy,
                               vec<T> (&sum)[K][K]) {
  constexpr int L = kLanes<T>;
  if (d.OW <= L) return sum_place<T, K, S, R, Where::alone>(d, oh, 0, dy, sum);
  sum_place<T, K, S, R, Where::edge>(d, oh, 0, dy, sum);
  int64_t ow = L;
  for (; S * (ow + 2 * L) <= d.W; ow += L) sum_place<T, K, S, R, Where::inside>(d, oh, ow, dy, sum);
  for (; ow < d.OW; ow += L) sum_place<T, K, S, R, Where::edge>(d, oh, ow, dy, sum);
}
template <class T, int K, int S, int R = kNarrowTall>
NNF_INLINE void place_sums(const PlaneArgs<T>& d, int64_t oh, const T* dy, vec<T> (&sum)[K][K]) {
  for (; d.OH - oh >= R; oh += R) sum_place_rows<T, K, S, R>(d, oh, dy, sum);
  if constexpr (R > 1) place_sums<T, K, S, R / 2>(d, oh, dy, sum);
}

template <class T, int K, int S>
void sum_plane(const PlaneArgs<T>& d, const T* dy, T* sums) {
  constexpr int L = kLanes<T>;
  if constexpr (K == 3) {
    if ((kManyRegisters || S == 2 || d.OW <= L) && in_place<T, K, S>(d)) {
      vec<T> sum[K][K];
#pragma GCC unroll 9
      for (int t = 0; t < K * K; ++t) sum[t / K][t % K] = load<T>(sums + t * L);
      place_sums<T, K, S>(d, 0, dy, sum);
#pragma GCC unroll 9
      for (int t = 0; t < K * K; ++t) store<T>(sums + t * L, sum[t / K][t % K]);
      return;
    }
  }
  const int64_t ld = d.buffer(K, S, L).ld;
  int64_t off[K];
  for (int j = 0; j < K; ++j) off[j] = tap_offset<S>(j, d.pw, ld);
  vec<T> sum[K][K] = {};
  for_tiles<T, K, S>(d, [&](int64_t oh, int rows, const T* x) __attribute__((always_inline)) {
    sum_rows<T, K, S>(x, ld, off, dy + oh * d.OW, d.OW, rows, sum);
  });
#pragma GCC unroll 49
  for (int t = 0; t < K * K; ++t, sums += L) store<T>(sums, load<T>(sums) + sum[t / K][t % K]);
}

// A vector of sums for each of the k x k taps += dy times what it sees.
template <class T>
void depthwise_sums(int k, int stride, const PlaneArgs<T>& d, const T* dy, T* sums) {
  NNF_DEPTHWISE(k, stride, sum_plane)(d, dy, sums);
}

// y[i] = the sum of the lanes of vector i, i < n.
template <class T>
void add_lanes(int64_t n, const T* sums, T* y) {
  for_lanes<T>(n, [&](int64_t i, int k) __attribute__((always_inline)) {
    vec<T> part[kLanes<T>] = {};
    for (int l = 0; l < k; ++l) part[l] = load<T>(sums + (i + l) * kLanes<T>);
    store_n<T>(y + i, reduce_each<T>(part), k);
  });
}

#undef NNF_DEPTHWISE

}  // namespace
}  // namespace nnf
