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

// The lower (upper) units of u elements of each 16 bytes of a and b, in turns, to a (to b).
template <class T, int u>
NNF_INLINE void interleave(vec<T>& a, vec<T>& b) {
  constexpr int L = kLanes<T>, Q = 16 / int(sizeof(T));
  mask<T> low{}, high{};
  for (int l = 0; l < L; ++l) {
    const int unit = l % Q / u;
    low[l] = int_of<T>((unit & 1) * L + l / Q * Q + unit / 2 * u + l % u);
    high[l] = low[l] + Q / 2;
  }
  const vec<T> first = __builtin_shuffle(a, b, low);
  b = __builtin_shuffle(a, b, high);
  a = first;
}

// The bits of four rows and of the 16 bytes of each: what exchanging bits 1 and 2 gives, in cheaper
// steps.
template <class T>
NNF_INLINE void exchange_four(vec<T>* r) {
  interleave<T, 1>(r[0], r[1]);
  interleave<T, 1>(r[2], r[3]);
  interleave<T, 2>(r[0], r[2]);
  interleave<T, 2>(r[1], r[3]);
  const vec<T> second = r[2];
  r[2] = r[1], r[1] = second;
}

// Exchanges the bits from s on.
template <class T, int s>
NNF_INLINE void exchange_rows(vec<T> (&r)[kLanes<T>]) {
  if constexpr (s == 1 && sizeof(T) == 4) {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes<T>; i += 4) exchange_four<T>(r + i);
    return exchange_rows<T, 4>(r);
  } else if constexpr (s < kLanes<T>) {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes<T>; ++i)
      if (!(i & s)) exchange<T, s>(r[i], r[i | s]);
    exchange_rows<T, 2 * s>(r);
  }
}

// Lane j of r[i] becomes lane i of r[j].
template <class T>
NNF_INLINE void transpose(vec<T> (&r)[kLanes<T>]) {
  exchange_rows<T, 1>(r);
}

// kLanes runs of as many elements, `step` apart, transposed: lane j of r[i] is src[j * step + i].
template <class T>
NNF_INLINE void load_square(const T* src, int64_t step, vec<T> (&r)[kLanes<T>]) {
  constexpr int L = kLanes<T>;
#pragma GCC unroll 16
  for (int i = 0; i < L; ++i) r[i] = load<T>(src + i * step);
  transpose<T>(r);
}

// n <= kLanes runs of m <= kLanes elements each, `step` apart, as m vectors.
template <class T>
NNF_INLINE void load_transposed(const T* src, int64_t step, int n, int m, vec<T> (&r)[kLanes<T>]) {
  constexpr int L = kLanes<T>;
  if (n == L && m == L) return load_square<T>(src, step, r);
#pragma GCC unroll 16
  for (int l = 0; l < L; ++l) r[l] = l < n ? load_k<T>(src + l * step, m < L ? m : L) : vec<T>{};
  transpose<T>(r);
}

}  // namespace
}  // namespace nnf
