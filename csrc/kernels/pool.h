// Pooling of one plane. x points to its first element; rows lie ld apart, and every column that a
// window reaches is there, with -inf or zero where it lies outside of the image.
#pragma once

#include "kernels/image_grid.h"
#include "kernels/window.h"
#include "simd/vec.h"

namespace nnf {
namespace {

// Taps of window row oh that lie in rows [0, H) of the image.
NNF_INLINE void tap_rows(const PoolGrid& g, int64_t oh, int64_t* begin, int64_t* end) {
  const int64_t h = oh * g.sh - g.ph;
  const int64_t inside = h < g.H ? (g.H - h + g.dh - 1) / g.dh : 0;
  *begin = h < 0 ? (-h + g.dh - 1) / g.dh : 0;
  *end = g.KH < inside ? g.KH : inside;
}

// What tap (kh, kw) adds to the index of its window's corner; lanes start with that of the
// first tap in the image, which wins over an image of -inf only.
template <class T>
NNF_INLINE mask<T> first_tap(const PoolGrid& g, int64_t kh, int64_t ow, int n) {
  mask<T> first{};
  first = first + int_of<T>(kh * g.dh * g.W);
  for (int i = 0; i < n; ++i) {
    const int64_t w = (ow + i) * g.sw - g.pw;
    if (w >= 0) break;
    first[i] += int_of<T>((-w + g.dw - 1) / g.dw * g.dw);
  }
  return first;
}

// Windows of 2 x 2 that cover the image, each pixel once.
NNF_INLINE bool is_tiled_by_2(const PoolGrid& g) {
  return g.KH == 2 && g.KW == 2 && g.sh == 2 && g.sw == 2 && g.ph == 0 && g.pw == 0 && g.dh == 1 &&
         g.dw == 1 && g.H == 2 * g.OH && g.W == 2 * g.OW;
}

// y = f of the four pixels of each window, where windows tile the plane: a vector of results takes
// as many rows as it needs, W being a multiple of its lanes.
template <class T, class F>
NNF_INLINE void pool_tiles_of_2(const PoolGrid& g, const T* x, T* y, F f) {
  constexpr int L = kLanes<T>;
  int64_t column = 0;
  auto next = [&](vec<T>* above, vec<T>* below) __attribute__((always_inline)) {
    *above = load<T>(x + column), *below = load<T>(x + g.W + column);
    if ((column += L) == g.W) column = 0, x += 2 * g.W;
  };
  for (int64_t i = 0; i < g.OH * g.OW; i += L) {
    vec<T> a, b, c{}, d{};
    next(&a, &b);
    const bool whole = i + L <= g.OH * g.OW;
    if (whole) next(&c, &d);
    const vec<T> v =
        f(even_lanes<T>(a, c), odd_lanes<T>(a, c), even_lanes<T>(b, d), odd_lanes<T>(b, d));
    store_k<T>(y + i, v, whole ? L : L / 2);
  }
}

// Of two pixels, b the later one, that which max_pool takes.
template <class T>
NNF_INLINE vec<T> larger(vec<T> a, vec<T> b) {
  return (b > a) | (b != b) ? b : a;
}

// The part of a mask that begins at a lane, as 64-bit integers.
template <class T>
NNF_INLINE vi64 widen_part(mask<T> m, int lane) {
  typedef int_of<T> part_type
      __attribute__((vector_size(sizeof(int_of<T>) * size_t(kLanes<int64_t>))));
  part_type part;
  __builtin_memcpy(&part, reinterpret_cast<const int_of<T>*>(&m) + lane, sizeof part);
  return __builtin_convertvector(part, vi64);
}

// to[i] = from + i step + tap[i], for i < n.
template <class T>
NNF_INLINE void store_index(int64_t* to, int64_t from, int64_t step, mask<T> tap, int n) {
  constexpr int P = kLanes<int64_t>;
  const vi64 lanes = iota<int64_t>();
  for (int i = 0; i < n; i += P)
    store_k<int64_t>(to + i, widen_part<T>(tap, i) + (lanes + i) * step + from,
                     n - i < P ? n - i : P);
}

template <class T, int kStep, bool kIndex>
void max_pool_rows(const PoolGrid& g, const T* x, int64_t ld, T* y, int64_t* index) {
  constexpr int L = kLanes<T>;
  for (int64_t oh = 0; oh < g.OH; ++oh, y += g.OW) {
    int64_t begin, end;
    tap_rows(g, oh, &begin, &end);
    const T* window = x + (oh * g.sh - g.ph) * ld - g.pw;
    const int64_t corner = (oh * g.sh - g.ph) * g.W - g.pw;
    for (int64_t ow = 0; ow < g.OW; ow += L) {
      const int n = g.OW - ow < L ? int(g.OW - ow) : L;
      vec<T> best = set1<T>(-T(__builtin_inf()));
      mask<T> which = kIndex ? first_tap<T>(g, begin, ow, n) : mask<T>{};
      for (int64_t kh = begin; kh < end; ++kh) {
        const T* row = window + kh * g.dh * ld + ow * g.sw;
        for (int64_t kw = 0; kw < g.KW; ++kw) {
          const vec<T> v = load_step<T, kStep>(row + kw * g.dw, g.sw, n);
          const mask<T> wins = (v > best) | (v != v);
          best = wins ? v : best;
          if constexpr (kIndex) {
            const mask<T> tap = mask<T>{} + int_of<T>(kh * g.dh * g.W + kw * g.dw);
            which = wins ? tap : which;
          }
        }
      }
      store_k<T>(y + ow, best, n);
      if constexpr (kIndex)
        store_index<T>(index + oh * g.OW + ow, corner + ow * g.sw, g.sw, which, n);
    }
  }
}

template <class T, int kStep>
void max_pool_rows(const PoolGrid& g, const T* x, int64_t ld, T* y, int64_t* index) {
  if (index)
    max_pool_rows<T, kStep, true>(g, x, ld, y, index);
  else
    max_pool_rows<T, kStep, false>(g, x, ld, y, index);
}

// y = the largest element of each window, index = where it lies in the plane (h * W + w): the
// first of several, the last NaN if there are any. index may be null.
template <class T>
void max_pool(const PoolGrid& g, const T* x, int64_t ld, T* y, int64_t* index) {
  if (!index && is_tiled_by_2(g) && g.W % kLanes<T> == 0) {
    pool_tiles_of_2<T>(g, x, y, [](vec<T> a, vec<T> b, vec<T> c, vec<T> d) {
      return larger<T>(larger<T>(larger<T>(a, b), c), d);
    });
  } else if (g.sw == 1)
    max_pool_rows<T, 1>(g, x, ld, y, index);
  else if (g.sw == 2)
    max_pool_rows<T, 2>(g, x, ld, y, index);
  else
    max_pool_rows<T, 0>(g, x, ld, y, index);
}

// dx[index[i]] += dy[i] in order of i, over a plane of `size` elements that starts as zeros.
// An index outside of the plane has no effect.
template <class T>
void max_pool_scatter(int64_t n, const T* dy, const int64_t* index, int64_t size, T* dx) {
  __builtin_memset(dx, 0, size_t(size) * sizeof(T));
  for (int64_t i = 0; i < n; ++i)
    if (uint64_t(index[i]) < uint64_t(size)) dx[index[i]] += dy[i];
}

// y[i] = x[index[i]]; 0 for an index outside of the plane.
template <class T>
void max_pool_gather(int64_t n, const T* x, const int64_t* index, int64_t size, T* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = uint64_t(index[i]) < uint64_t(size) ? x[index[i]] : T(0);
}

template <class T, int kStep>
void avg_pool_rows(const PoolGrid& g, const T* x, int64_t ld, const T* row_count,
                   const T* col_count, T* y) {
  constexpr int L = kLanes<T>;
  for (int64_t oh = 0; oh < g.OH; ++oh, y += g.OW) {
    int64_t begin, end;
    tap_rows(g, oh, &begin, &end);
    const T* window = x + (oh * g.sh - g.ph) * ld - g.pw;
    const vec<T> rows = set1<T>(row_count[oh]);
    for (int64_t ow = 0; ow < g.OW; ow += L) {
      const int n = g.OW - ow < L ? int(g.OW - ow) : L;
      vec<T> sum{};
      for (int64_t kh = begin; kh < end; ++kh) {
        const T* row = window + kh * ld + ow * g.sw;
        for (int64_t kw = 0; kw < g.KW; ++kw) sum = sum + load_step<T, kStep>(row + kw, g.sw, n);
      }
      store_k<T>(y + ow, sum / (rows * load_n<T>(col_count + ow, n, 1)), n);
    }
  }
}

// y = the sum of each window / (row_count[oh] * col_count[ow]); dilation 1.
template <class T>
void avg_pool(const PoolGrid& g, const T* x, int64_t ld, const T* row_count, const T* col_count,
              T* y) {
  if (is_tiled_by_2(g) && g.W % kLanes<T> == 0) {
    const vec<T> count = set1<T>(row_count[0] * col_count[0]);  // that of all windows
    pool_tiles_of_2<T>(g, x, y, [=](vec<T> a, vec<T> b, vec<T> c, vec<T> d) {
      return (vec<T>{} + a + b + c + d) / count;
    });
  } else if (g.sw == 1)
    avg_pool_rows<T, 1>(g, x, ld, row_count, col_count, y);
  else if (g.sw == 2)
    avg_pool_rows<T, 2>(g, x, ld, row_count, col_count, y);
  else
    avg_pool_rows<T, 0>(g, x, ld, row_count, col_count, y);
}

// Rows of windows that cover row h of the image: [begin, end).
NNF_INLINE void covering_rows(const PoolGrid& g, int64_t h, int64_t* begin, int64_t* end) {
  const int64_t first = h + g.ph - g.KH + 1, last = (h + g.ph) / g.sh;
  *begin = first > 0 ? (first + g.sh - 1) / g.sh : 0;
  *end = last + 1 < g.OH ? last + 1 : g.OH;
}

// sum[ow] = dy / count summed over the rows of windows [begin, end), in order.
template <class T>
NNF_INLINE void sum_windows(const PoolGrid& g, int64_t begin, int64_t end, const T* dy,
                            const T* row_count, const T* col_count, T* sum) {
  constexpr int L = kLanes<T>;
  for (int64_t ow = 0; ow < g.OW; ow += L) {
    const int n = g.OW - ow < L ? int(g.OW - ow) : L;
    const vec<T> cols = load_n<T>(col_count + ow, n, 1);
    vec<T> s{};
    for (int64_t oh = begin; oh < end; ++oh)
      s = s + load_n<T>(dy + oh * g.OW + ow, n) / (set1<T>(row_count[oh]) * cols);
    store_k<T>(sum + ow, s, n);
  }
}

// row[ow * sw + kw] += sum[ow] for each kw in turn.
template <class T>
NNF_INLINE void spread_windows(const PoolGrid& g, const T* sum, T* row) {
  constexpr int L = kLanes<T>;
  for (int64_t kw = 0; kw < g.KW; ++kw, ++row) {
    if (g.sw == 1) {
      for (int64_t ow = 0; ow < g.OW; ow += L) {
        const int n = g.OW - ow < L ? int(g.OW - ow) : L;
        store_k<T>(row + ow, load_n<T>(row + ow, n) + load_n<T>(sum + ow, n), n);
      }
    } else {
      for (int64_t ow = 0; ow < g.OW; ++ow) row[ow * g.sw] += sum[ow];
    }
  }
}

template <class T>
void avg_pool_backward_2(const PoolGrid& g, const T* dy, const T* row_count, const T* col_count,
                         T* dx) {
  constexpr int L = kLanes<T>;
  mask<T> low{}, high{};
  for (int l = 0; l < L; ++l) low[l] = int_of<T>(l / 2), high[l] = int_of<T>((L + l) / 2);
  for (int64_t oh = 0; oh < g.OH; ++oh, dy += g.OW, dx += 2 * g.W) {
    for (int64_t ow = 0; ow < g.OW; ow += L) {
      const int n = g.OW - ow < L ? int(g.OW - ow) : L;
      const vec<T> count = set1<T>(row_count[oh]) * load_n<T>(col_count + ow, n, 1);
      const vec<T> s = vec<T>{} + load_n<T>(dy + ow, n) / count;
      T* to = dx + 2 * ow;
      for (int row = 0; row < 2; ++row, to += g.W) {
        store_k<T>(to, __builtin_shuffle(s, low), 2 * n < L ? 2 * n : L);
        if (2 * n > L) store_k<T>(to + L, __builtin_shuffle(s, high), 2 * n - L);
      }
    }
  }
}

// The gradient of avg_pool. scratch: OW + (OW - 1) * sw + KW + pw + W elements.
template <class T>
void avg_pool_backward(const PoolGrid& g, const T* dy, const T* row_count, const T* col_count,
                       T* scratch, T* dx) {
  if (is_tiled_by_2(g)) return avg_pool_backward_2<T>(g, dy, row_count, col_count, dx);
  T *sum = scratch, *row = scratch + g.OW;
  const int64_t reach = (g.OW - 1) * g.sw + g.KW;
  const int64_t width = reach > g.pw + g.W ? reach : g.pw + g.W;
  int64_t begin = -1, end = -1;
  for (int64_t h = 0; h < g.H; ++h, dx += g.W) {
    const int64_t begin_before = begin, end_before = end;
    covering_rows(g, h, &begin, &end);
    if (begin != begin_before || end != end_before) {  // else the row is that above
      sum_windows<T>(g, begin, end, dy, row_count, col_count, sum);
      __builtin_memset(row, 0, size_t(width) * sizeof(T));
      spread_windows<T>(g, sum, row);
    }
    __builtin_memcpy(dx, row + g.pw, size_t(g.W) * sizeof(T));
  }
}

}  // namespace
}  // namespace nnf
