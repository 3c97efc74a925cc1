// Transposing a square of lanes x lanes in registers.
#pragma once

#include "simd/vec.h"

namespace nnf {
namespace {

// Exchanges bit s of the lane with bit s of the row, for a pair of rows that differ in that bit.
template <class T, int s>
NNF_INLINE void exchange(vec<T>& a, vec<T>& b) {
  constexpr int L = kLanes<T>;
  mask<T> low{}, high{};
  for (int l = 0; l < L; ++l) {
    low[l] = int_of<T>(l & s ? L + l - s : l);
    high[l] = int_of<T>(l & s ? L + l : l + s);
  }
  const vec<T> first = __builtin_shuffle(a, b, low);
  b = __builtin_shuffle(a, b, high);
  a = first;
}

template <class T, int s>
NNF_INLINE void exchange_rows(vec<T> (&r)[kLanes<T>]) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<T>; ++i)
    if (!(i & s)) exchange<T, s>(r[i], r[i | s]);
  if constexpr (2 * s < kLanes<T>) exchange_rows<T, 2 * s>(r);
}

// Lane j of r[i] becomes lane i of r[j].
template <class T>
NNF_INLINE void transpose(vec<T> (&r)[kLanes<T>]) {
  exchange_rows<T, 1>(r);
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

}  // namespace
}  // namespace nnf
