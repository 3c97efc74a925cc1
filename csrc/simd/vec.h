// The vector contract: what kernels may use, whatever the ISA.
//
// A vector is the compiler's own vector type, so + - * / & | ^ ~ << >>, comparisons (lanes of
// all ones or zeros, in the integer type of the same width) and mask ? a : b work as they stand.
// isa/<isa>.cpp says how large vectors are and how many registers there are. A back end
// (vec_avx2.h, ...) overloads what its instructions do better; everything else has the default
// here, so a new ISA works before it is tuned.
//
// Everything lives in an anonymous namespace: this code is compiled once per ISA, and no symbol
// of one ISA may be linked into another's path. No standard library templates for that reason.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define NNF_INLINE inline __attribute__((always_inline))

namespace nnf {
namespace {

template <class T>
struct VecType {
  typedef T type __attribute__((vector_size(NNF_VECTOR_BYTES)));
};
template <class T>
using vec = typename VecType<T>::type;
template <class T>
constexpr int kLanes = NNF_VECTOR_BYTES / int(sizeof(T));

using vf32 = vec<float>;
using vf64 = vec<double>;
using vi32 = vec<int32_t>;
using vi64 = vec<int64_t>;

// The integer of the same width: masks, exponents, bit patterns.
template <class T>
struct IntOf;
template <>
struct IntOf<float> {
  using type = int32_t;
};
template <>
struct IntOf<double> {
  using type = int64_t;
};
template <>
struct IntOf<int64_t> {
  using type = int64_t;
};
template <class T>
using int_of = typename IntOf<T>::type;
template <class T>
using mask = vec<int_of<T>>;

}  // namespace
}  // namespace nnf

#include NNF_VECTOR_BACKEND  // overloads; must precede the defaults and every kernel

namespace nnf {
namespace {

// ---- memory -------------------------------------------------------------------------------

template <class T>
NNF_INLINE vec<T> load(const T* p) {
  vec<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
NNF_INLINE void store(T* p, vec<T> v) {
  __builtin_memcpy(p, &v, sizeof v);
}
// set1<T>: every lane is x.
template <class T>
NNF_INLINE vec<T> set1(T x) {
  return x - vec<T>{};  // x - 0 keeps the sign of zero
}
#ifdef NNF_HAS_MASKED_MEMORY
#define NNF_SOME_LANES NNF_INLINE
#else
#define NNF_SOME_LANES __attribute__((noinline))  // loops are too long for every place
#endif
// load_n: the first n lanes (0 <= n <= lanes) from p, the others `fill`; reads n elements only.
template <class T>
NNF_SOME_LANES vec<T> load_n(const T* p, int n, T fill = T(0)) {
#ifdef NNF_HAS_MASKED_MEMORY
  return backend_load_n(p, n, set1<T>(fill));
#else
  T tmp[kLanes<T>];
  for (int i = 0; i < kLanes<T>; ++i) tmp[i] = i < n ? p[i] : fill;
  return load<T>(tmp);
#endif
}
// store_n: writes the first n lanes and nothing else.
template <class T>
NNF_SOME_LANES void store_n(T* p, vec<T> v, int n) {
#ifdef NNF_HAS_MASKED_MEMORY
  backend_store_n(p, v, n);
#else
  for (int i = 0; i < n; ++i) p[i] = v[i];
#endif
}
// load_k, store_k: the same for 0 < k <= lanes, quicker if all of them count.
template <class T>
NNF_INLINE vec<T> load_k(const T* p, int k, T fill = T(0)) {
  return k == kLanes<T> ? load<T>(p) : load_n<T>(p, k, fill);
}
template <class T>
NNF_INLINE void store_k(T* p, vec<T> v, int k) {
  if (k == kLanes<T>)
    store<T>(p, v);
  else
    store_n<T>(p, v, k);
}
// Calls f(i, k) for all vectors of n elements, of which k lanes count; f must be inlined.
template <class T, class F>
NNF_INLINE void for_lanes(int64_t n, F f) {
  constexpr int L = kLanes<T>;
  int64_t i = 0;
  for (; i + L <= n; i += L) f(i, L);
  if (i < n) f(i, int(n - i));
}

// stream: store to an address aligned to kLine, past the caches where the ISA can: for memory that
// nobody reads soon. stream_fence: the end of a sequence of them.
constexpr int kLine = 64;
template <class T>
NNF_INLINE void stream(T* p, vec<T> v) {
#ifdef NNF_HAS_STREAM
  backend_stream(p, (vi32)v);
#else
  store<T>(p, v);
#endif
}
NNF_INLINE void stream_fence() {
#ifdef NNF_HAS_STREAM
  backend_stream_fence();
#endif
}
// Elements from p on to the next whole line.
template <class T>
NNF_INLINE int64_t to_line(const T* p) {
  return int64_t(-uintptr_t(p) % kLine / sizeof(T));
}

// in_register: keeps a vector that was loaded for several uses: GCC would load it for each of them.
template <class V>
NNF_INLINE void in_register(V& v) {
#ifdef __aarch64__
  asm("" : "+w"(v));
#else
  asm("" : "+v"(v));
#endif
}

// ---- bools --------------------------------------------------------------------------------

// load_bools: a mask of the first n bools from p, 0 in the lanes behind; store_bools: the inverse.
template <class T>
NNF_INLINE mask<T> load_bools(const uint8_t* p, int n) {
#ifdef NNF_HAS_BOOLS
  mask<T> m;
  uint8_t some[kLanes<T>] = {};
  if (n < kLanes<T>) __builtin_memcpy(some, p, size_t(n));
  backend_load_bools(n < kLanes<T> ? some : p, &m);
  return m;
#else
  mask<T> m{};
  for (int i = 0; i < n; ++i) m[i] = -int_of<T>(p[i]);
  return m;
#endif
}
template <class T>
NNF_INLINE void store_bools(uint8_t* p, mask<T> m, int n) {
#ifdef NNF_HAS_BOOLS
  uint8_t some[kLanes<T>];
  backend_store_bools(n < kLanes<T> ? some : p, m);
  if (n < kLanes<T>) __builtin_memcpy(p, some, size_t(n));
#else
  for (int i = 0; i < n; ++i) p[i] = uint8_t(m[i] & 1);
#endif
}

// ---- arithmetic ---------------------------------------------------------------------------

// fma(a, b, c) = a * b + c, rounded once where the ISA has it (all but baseline x86).
#ifndef NNF_HAS_FMA
NNF_INLINE vf32 fma(vf32 a, vf32 b, vf32 c) { return a * b + c; }
NNF_INLINE vf64 fma(vf64 a, vf64 b, vf64 c) { return a * b + c; }
#endif
#ifndef NNF_HAS_SQRT
NNF_INLINE vf32 sqrt(vf32 a) {
  for (int i = 0; i < kLanes<float>; ++i) a[i] = __builtin_sqrtf(a[i]);
  return a;
}
NNF_INLINE vf64 sqrt(vf64 a) {
  for (int i = 0; i < kLanes<double>; ++i) a[i] = __builtin_sqrt(a[i]);
  return a;
}
#endif

// mul_u32: the 64-bit products of the unsigned lower halves of each lane.
#ifndef NNF_HAS_MUL_U32
NNF_INLINE vi64 mul_u32(vi64 a, vi64 b) {
  return (vi64)((vec<uint64_t>)(a & 0xffffffff) * (vec<uint64_t>)(b & 0xffffffff));
}
#endif

// lesser, greater: b if either operand is NaN and if they are equal; cheaper than min and max.
template <class V>
NNF_INLINE V lesser(V a, V b) {
  return a < b ? a : b;
}
template <class V>
NNF_INLINE V greater(V a, V b) {
  return a > b ? a : b;
}
// max and min return NaN if either operand is NaN, as IEEE 754-2019 maximum and minimum do; of
// zeros of both signs, either. b is the one to be handed on from step to step: it is sooner done.
template <class V>
NNF_INLINE V max(V a, V b) {
  return a != a ? a : greater(a, b);
}
template <class V>
NNF_INLINE V min(V a, V b) {
  return a != a ? a : lesser(a, b);
}
template <class V>
NNF_INLINE V abs(V a) {
  return a < 0 ? -a : a;
}
NNF_INLINE vf32 abs(vf32 a) { return (vf32)((vi32)a & 0x7fffffff); }
NNF_INLINE vf64 abs(vf64 a) { return (vf64)((vi64)a & 0x7fffffffffffffff); }
NNF_INLINE vf32 copysign(vf32 a, vf32 s) {
  return (vf32)(((vi32)a & 0x7fffffff) | ((vi32)s & ~0x7fffffff));
}
NNF_INLINE vf64 copysign(vf64 a, vf64 s) {
  return (vf64)(((vi64)a & 0x7fffffffffffffff) | ((vi64)s & ~0x7fffffffffffffff));
}

// round: to the nearest integer, ties to even, for |a| < 2^22 (float), 2^51 (double): adding
// 1.5 * 2^p pushes the fraction out of the significand.
NNF_INLINE vf32 round(vf32 a) { return (a + 12582912.0f) - 12582912.0f; }
NNF_INLINE vf64 round(vf64 a) { return (a + 6755399441055744.0) - 6755399441055744.0; }
// to_int: of a value that is already integral and in the range of round.
NNF_INLINE vi32 to_int(vf32 a) { return (vi32)(a + 12582912.0f) - 0x4b400000; }
NNF_INLINE vi64 to_int(vf64 a) { return (vi64)(a + 6755399441055744.0) - 0x4338000000000000; }

// widen, narrow: floats as two vectors of doubles, lower lanes first, and back.
struct Wide {
  vf64 low, high;
};
#ifndef NNF_HAS_WIDEN
typedef float half_vf32 __attribute__((vector_size(NNF_VECTOR_BYTES / 2)));
NNF_INLINE Wide widen(vf32 a) {
  half_vf32 half[2];
  __builtin_memcpy(half, &a, sizeof a);
  return {__builtin_convertvector(half[0], vf64), __builtin_convertvector(half[1], vf64)};
}
NNF_INLINE vf32 narrow(Wide a) {
  half_vf32 half[2] = {__builtin_convertvector(a.low, half_vf32),
                       __builtin_convertvector(a.high, half_vf32)};
  vf32 r;
  __builtin_memcpy(&r, half, sizeof r);
  return r;
}
#else
NNF_INLINE Wide widen(vf32 a) { return {widen_low(a), widen_high(a)}; }
NNF_INLINE vf32 narrow(Wide a) { return narrow(a.low, a.high); }
#endif

// ---- lanes --------------------------------------------------------------------------------

// behind<T, h>: lane i takes lane i - h, and the first h lanes `fill`. V: vec<T> or mask<T>.
template <class T, int h, class V>
NNF_INLINE V behind(V v, V fill) {
  mask<T> index{};
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<T>; ++i) index[i] = int_of<T>(i < h ? kLanes<T> + i : i - h);
  return __builtin_shuffle(v, fill, index);
}
// last<T>: every lane is the last one.
template <class T, class V>
NNF_INLINE V last(V v) {
  return __builtin_shuffle(v, mask<T>{} + (kLanes<T> - 1));
}
// rotate<T, h>: lane i takes lane (i + h) % lanes.
template <class T, int h>
NNF_INLINE vec<T> rotate(vec<T> v) {
  mask<T> index{};
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<T>; ++i) index[i] = int_of<T>((i + h) % kLanes<T>);
  return __builtin_shuffle(v, index);
}
// fold: combines lane i with i + lanes/2, then i + lanes/4, ... The order is part of the
// contract (see reduce.h: sums have the same bits on every ISA).
template <class T, int h = kLanes<T> / 2, class F>
NNF_INLINE T fold(vec<T> v, F f) {
  if constexpr (h == 0)
    return v[0];
  else
    return fold<T, h / 2>(f(v, rotate<T, h>(v)), f);
}
template <class T>
NNF_INLINE T reduce_add(vec<T> v) {
  return fold<T>(v, [](vec<T> a, vec<T> b) { return a + b; });
}
// reduce_each: lane i is reduce_add of v[i], of as many vectors as lanes; v is overwritten. Folds
// two vectors at once: each block of B lanes of both becomes one of half of them.
template <class T, int B = kLanes<T>>
NNF_INLINE vec<T> reduce_each(vec<T>* v) {
  if constexpr (B == 1) {
    return v[0];
  } else {
    constexpr int L = kLanes<T>, H = B / 2;
    mask<T> low{};
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i) low[i] = int_of<T>(i / H % 2 * L + i / B * B + i % H);
#pragma GCC unroll 8
    for (int i = 0; i < H; ++i)
      v[i] = __builtin_shuffle(v[i], v[i + H], low) + __builtin_shuffle(v[i], v[i + H], low + H);
    return reduce_each<T, H>(v);
  }
}
template <class T>
NNF_INLINE T reduce_max(vec<T> v) {
  return fold<T>(v, [](vec<T> a, vec<T> b) { return max(a, b); });
}
template <class T>
NNF_INLINE T reduce_min(vec<T> v) {
  return fold<T>(v, [](vec<T> a, vec<T> b) { return min(a, b); });
}
// any: whether a lane of the mask is set.
#ifndef NNF_HAS_ANY
template <class M>
NNF_INLINE bool any(M m) {
  uint64_t part[NNF_VECTOR_BYTES / 8], all = 0;
  __builtin_memcpy(part, &m, sizeof m);
  for (uint64_t p : part) all |= p;
  return all != 0;
}
#endif
// iota: 0, 1, 2, ...
template <class T>
NNF_INLINE vec<T> iota() {
  vec<T> v{};
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<T>; ++i) v[i] = T(i);
  return v;
}
// across<T, h>: lanes h, h + 1, ... of a, then of b, 0 < h < lanes.
#ifndef NNF_HAS_ACROSS
template <class T, int h>
NNF_INLINE vec<T> across(vec<T> a, vec<T> b) {
  mask<T> index{};
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<T>; ++i) index[i] = int_of<T>(i + h);
  return __builtin_shuffle(a, b, index);
}
#endif
// even_lanes(a, b): a0 a2 a4 ... b0 b2 ...: every second element of 2 * lanes.
template <class T>
NNF_INLINE vec<T> even_lanes(vec<T> a, vec<T> b) {
  mask<T> index{};
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<T>; ++i) index[i] = int_of<T>(2 * i);
  return __builtin_shuffle(a, b, index);
}
// odd_lanes(a, b): a1 a3 ... b1 b3 ...
template <class T>
NNF_INLINE vec<T> odd_lanes(vec<T> a, vec<T> b) {
  mask<T> index{};
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<T>; ++i) index[i] = int_of<T>(2 * i + 1);
  return __builtin_shuffle(a, b, index);
}
// interleave: low, high = a0 b0 a1 b1 ...
template <class T>
NNF_INLINE void interleave(vec<T> a, vec<T> b, vec<T>& low, vec<T>& high) {
  constexpr int L = kLanes<T>;
  mask<T> index{};
#pragma GCC unroll 16
  for (int i = 0; i < L; ++i) index[i] = int_of<T>(i / 2 + i % 2 * L);
  low = __builtin_shuffle(a, b, index), high = __builtin_shuffle(a, b, index + L / 2);
}

}  // namespace
}  // namespace nnf
