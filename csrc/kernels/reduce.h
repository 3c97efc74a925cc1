// Reductions of rows and of columns: sums (of squares too), products, maxima, minima and where they
// stand.
//
// A row is reduced in virtual lanes, 64 of float or 32 of double and int64: element j belongs to
// lane j mod 64 whatever the width of the vectors, and the lanes are combined in halves. So the
// result has the same bits on every ISA. A column is reduced in the order of its rows.
#pragma once

#include "kernels/table.h"
#include "kernels/transpose.h"
#include "simd/vec.h"

namespace nnf {
namespace {

template <class T>
constexpr int kAccumulators = NNF_VECTOR_BYTES == 64   ? 4
                              : NNF_VECTOR_BYTES == 32 ? 8
                                                       : 16;

// The least value of T.
template <class T>
constexpr T lowest() {
  if constexpr (T(0.5) != T(0))
    return T(-__builtin_inf());
  else
    return T(INT64_MIN);
}
template <class T>
constexpr T highest() {
  if constexpr (T(0.5) != T(0))
    return T(__builtin_inf());
  else
    return T(INT64_MAX);
}

// What is taken of an element, how two values become one (`of`; the second is that of all before),
// and the value that changes nothing.
struct Sum {
  template <class V>
  static NNF_INLINE V take(V a) {
    return a;
  }
  template <class V>
  static NNF_INLINE V of(V a, V b) {
    return a + b;
  }
  template <class T>
  static constexpr T identity() {
    return T(0);
  }
};
struct Squares : Sum {
  template <class V>
  static NNF_INLINE V take(V a) {
    return a * a;
  }
};
struct Product : Sum {
  template <class V>
  static NNF_INLINE V of(V a, V b) {
    return a * b;
  }
  template <class T>
  static constexpr T identity() {
    return T(1);
  }
};
struct Max : Sum {
  template <class V>
  static NNF_INLINE V of(V a, V b) {
    return max(a, b);
  }
  template <class T>
  static constexpr T identity() {
    return lowest<T>();
  }
};
struct Min : Sum {
  template <class V>
  static NNF_INLINE V of(V a, V b) {
    return min(a, b);
  }
  template <class T>
  static constexpr T identity() {
    return highest<T>();
  }
};

// Calls f with the one of them that r names.
template <class F>
NNF_INLINE auto with_reduction(Reduction r, F f) {
  switch (r) {
    case Reduction::max:
      return f(Max{});
    case Reduction::min:
      return f(Min{});
    case Reduction::squares:
      return f(Squares{});
    case Reduction::product:
      return f(Product{});
    default:
      return f(Sum{});
  }
}

// The virtual lanes. add(n, f) takes in a row of n elements; f(i, k) gives the vector at element
// i, of which k lanes count (k < lanes only at the end): the others must hold the identity.
template <class T, class R>
struct VirtualLanes {
  static constexpr int L = kLanes<T>, A = kAccumulators<T>;
  vec<T> acc[A];

  NNF_INLINE VirtualLanes() {
#pragma GCC unroll 16
    for (int a = 0; a < A; ++a) acc[a] = set1<T>(R::template identity<T>());
  }
  template <class F>
  NNF_INLINE void add(int64_t n, F f) {
    int64_t i = 0;
    for (; i + A * L <= n; i += A * L) {
#pragma GCC unroll 16
      for (int a = 0; a < A; ++a) acc[a] = R::of(f(i + a * L, L), acc[a]);
    }
#pragma GCC unroll 16
    for (int a = 0; a < A; ++a) {
      const int64_t left = n - i - a * L;
      if (left <= 0) break;
      acc[a] = R::of(f(i + a * L, left < L ? int(left) : L), acc[a]);
    }
  }
  NNF_INLINE T result() {
#pragma GCC unroll 4
    for (int half = A / 2; half > 0; half /= 2) {
#pragma GCC unroll 8
      for (int a = 0; a < half; ++a) acc[a] = R::of(acc[a], acc[a + half]);
    }
    return fold<T>(acc[0], [](vec<T> a, vec<T> b) { return R::of(a, b); });
  }
};

// All elements of `rows` rows of n, `stride` apart, to one value.
template <class T>
T reduce_rows(Reduction r, int64_t rows, const T* x, int64_t stride, int64_t n) {
  return with_reduction(r, [=](auto how) {
    using R = decltype(how);
    VirtualLanes<T, R> lanes;
    for (int64_t i = 0; i < rows; ++i) {
      const T* p = x + i * stride;
      lanes.add(n, [=](int64_t j, int k) {
        return R::take(load_k<T>(p + j, k, R::template identity<T>()));
      });
    }
    return lanes.result();
  });
}

// y[i] = the reduction of n elements from x + i * step on, for i < count: many short rows.
template <class T>
void reduce_each(Reduction r, int64_t count, int64_t step, int64_t n, const T* x, T* y) {
  constexpr int L = kLanes<T>;
  with_reduction(r, [=](auto how) {
    using R = decltype(how);
    const vec<T> none = set1<T>(R::template identity<T>());
    auto row = [=](int64_t i, int64_t j, int k) __attribute__((always_inline)) {
      return R::take(load_k<T>(x + i * step + j, k, R::template identity<T>()));
    };
    auto both = [](vec<T> a, vec<T> b) { return R::of(a, b); };
    for (int64_t i = 0; i < count; ++i) {
      if (n <= L) {  // as the virtual lanes have it, without those that are empty
        y[i] = fold<T>(R::of(row(i, 0, int(n)), none), both);
      } else {
        VirtualLanes<T, R> lanes;
        lanes.add(n, [=](int64_t j, int k) { return row(i, j, k); });
        y[i] = lanes.result();
      }
    }
  });
}

// Vectors of columns that are summed at once: with more of a row, memory is read in longer runs.
constexpr int kWideStrip = NNF_VECTOR_REGISTERS / 2;

// V vectors of columns over all rows, the last vector with k lanes; f(row, column, k).
template <class T, class R, int V, class F>
NNF_INLINE void column_strip(int64_t rows, int64_t j, int k, T* y, F f) {
  constexpr int L = kLanes<T>;
  vec<T> acc[V];
#pragma GCC unroll 16
  for (int v = 0; v < V; ++v) acc[v] = set1<T>(R::template identity<T>());
  for (int64_t i = 0; i < rows; ++i) {
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) acc[v] = R::of(f(i, j + v * L, v < V - 1 ? L : k), acc[v]);
  }
#pragma GCC unroll 16
  for (int v = 0; v < V; ++v) store_k<T>(y + j + v * L, acc[v], v < V - 1 ? L : k);
}

// y[j] = the reduction of f(i, j, k) over i < rows, for the n columns j; k lanes count.
template <class T, class R, class F>
NNF_INLINE void reduce_columns(int64_t rows, int64_t n, T* y, F f) {
  constexpr int L = kLanes<T>;
  constexpr int W = kWideStrip;
  int64_t j = 0;
  for (; j + W * L <= n; j += W * L) column_strip<T, R, W>(rows, j, L, y, f);
  for (; j + 4 * L <= n; j += 4 * L) column_strip<T, R, 4>(rows, j, L, y, f);
  for (; j < n; j += L) column_strip<T, R, 1>(rows, j, n - j < L ? int(n - j) : L, y, f);
}

// y[j] = the reduction of x[i * stride + j] over i < rows, for j < n.
template <class T>
void reduce_cols(Reduction r, int64_t rows, const T* x, int64_t stride, int64_t n, T* y) {
  with_reduction(r, [=](auto how) {
    using R = decltype(how);
    reduce_columns<T, R>(rows, n, y, [=](int64_t i, int64_t j, int k) {
      return R::take(load_k<T>(x + i * stride + j, k, T(0)));
    });
  });
}

// The index of the greatest (least) of n > 0 elements, the first of equals; NaN beats all.
template <class T>
NNF_INLINE int64_t arg_row(Reduction r, int64_t n, const T* x, T* value) {
  constexpr int L = kLanes<T>, kBlock = 8 * L;
  *value = reduce_rows<T>(r, 1, x, 0, n);
  const vec<T> best = set1<T>(*value), one = set1<T>(T(1));
  int64_t i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    vec<T> hit{};
#pragma GCC unroll 8
    for (int v = 0; v < 8; ++v) {
      vec<T> a = load<T>(x + i + v * L);
      hit = (a == best) | (a != a) ? one : hit;  // if any is NaN, so is the best
    }
    if (reduce_max<T>(hit) != T(0)) break;
  }
  while (i < n - 1 && !(x[i] == *value || x[i] != x[i])) ++i;
  return i;
}

// The greatest (least) so far in each lane, and its number below 2^31: the first of equals; NaN
// beats all.
template <class T, bool least>
struct Extreme {
  vec<T> best;
  mask<T> at{};

  NNF_INLINE explicit Extreme(vec<T> first) : best(first) {}
  NNF_INLINE void meet(vec<T> a, int64_t i) {
    const mask<T> wins = (least ? a < best : a > best) | ((a != a) & (best == best));
    best = wins ? a : best;
    at = wins ? mask<T>{} + int_of<T>(i) : at;
  }
  NNF_INLINE void put(int k, T* values, int64_t* index) const {
    store_k<T>(values, best, k);
    for (int l = 0; l < k; ++l) index[l] = at[l];
  }
};

// Of `count` short rows of n elements: kLanes rows at once.
template <class T, bool least>
NNF_INLINE void arg_short(int64_t count, int64_t n, const T* x, T* values, int64_t* index) {
  constexpr int L = kLanes<T>;
  for (int64_t row = 0; row < count; row += L) {
    const int rows = count - row < L ? int(count - row) : L;
    const T* p = x + row * n;
    vec<T> r[L];
    load_transposed<T>(p, n, rows, n < L ? int(n) : L, r);
    Extreme<T, least> found(r[0]);
    for (int64_t j = 0; j < n; j += L) {
      const int cols = n - j < L ? int(n - j) : L;
      if (j) load_transposed<T>(p + j, n, rows, cols, r);
#pragma GCC unroll 16
      for (int l = 0; l < L; ++l)
        if (l < cols) found.meet(r[l], j + l);
    }
    found.put(rows, values + row, index + row);
  }
}

// The index of the greatest (least) of each of `count` rows of n elements that lie together.
template <class T>
void arg_rows(Reduction r, int64_t count, int64_t n, const T* x, T* values, int64_t* index) {
  constexpr int64_t kShort = 256;  // for longer ones two passes are as fast
  if (n <= kShort && r == Reduction::min) return arg_short<T, true>(count, n, x, values, index);
  if (n <= kShort) return arg_short<T, false>(count, n, x, values, index);
  for (int64_t i = 0; i < count; ++i) index[i] = arg_row<T>(r, n, x + i * n, values + i);
}

template <class T, bool least>
NNF_INLINE void arg_columns(int64_t rows, const T* x, int64_t stride, int64_t n, T* values,
                            int64_t* index) {
  constexpr int L = kLanes<T>;
  for (int64_t j = 0; j < n; j += L) {
    const int k = n - j < L ? int(n - j) : L;
    Extreme<T, least> found(load_k<T>(x + j, k, T(0)));
    for (int64_t i = 1; i < rows; ++i) found.meet(load_k<T>(x + i * stride + j, k, T(0)), i);
    found.put(k, values + j, index + j);
  }
}

// For each of n columns: the greatest (least) of x[i * stride + j] over 0 < rows < 2^31, and its
// row.
template <class T>
void arg_cols(Reduction r, int64_t rows, const T* x, int64_t stride, int64_t n, T* values,
              int64_t* index) {
  if (r == Reduction::min) return arg_columns<T, true>(rows, x, stride, n, values, index);
  arg_columns<T, false>(rows, x, stride, n, values, index);
}

}  // namespace
}  // namespace nnf
