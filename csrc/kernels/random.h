// Random numbers and dropout: functions of (seed, offset, element), see base/philox.h.
//
// A kernel draws n elements from word group number `group` on; rng is {seed, offset}.
#pragma once

#include "base/philox.h"
#include "kernels/table.h"
#include "simd/math.h"
#include "simd/vec.h"

namespace nnf {
namespace {

using vu64 = vec<uint64_t>;

struct PhiloxKey {
  int64_t round[kPhiloxRounds][2];
  int64_t stream[2];  // upper half of the counter

  NNF_INLINE explicit PhiloxKey(const int64_t* rng) {
    uint32_t key[2] = {uint32_t(rng[0]), uint32_t(uint64_t(rng[0]) >> 32)};
    for (int r = 0; r < kPhiloxRounds; ++r)
      for (int i = 0; i < 2; ++i) round[r][i] = key[i], key[i] += kPhiloxWeyl[i];
    stream[0] = int64_t(uint32_t(rng[1])), stream[1] = int64_t(uint64_t(rng[1]) >> 32);
  }
};

NNF_INLINE vi64 upper_word(vi64 a) { return (vi64)((vu64)a >> 32); }

// x[w]: word w of the given blocks, one per 64-bit lane, in its lower half. The upper halves hold
// anything: the products do not read them.
NNF_INLINE void philox_rounds(const PhiloxKey& key, vi64 block, vi64 x[4]) {
  x[0] = block, x[1] = upper_word(block);
  x[2] = set1<int64_t>(key.stream[0]), x[3] = set1<int64_t>(key.stream[1]);
#pragma GCC unroll 10
  for (int r = 0; r < kPhiloxRounds; ++r) {
    const vi64 a = mul_u32(x[0], set1<int64_t>(kPhiloxMultiplier[0]));
    const vi64 b = mul_u32(x[2], set1<int64_t>(kPhiloxMultiplier[1]));
    x[0] = upper_word(b) ^ x[1] ^ key.round[r][0];
    x[1] = b;
    x[2] = upper_word(a) ^ x[3] ^ key.round[r][1];
    x[3] = a;
  }
}

// words[w]: word w of the blocks from `block` on, as many as there are 32-bit lanes, in order.
NNF_INLINE void philox(const PhiloxKey& key, int64_t block, vi64 words[4]) {
  const vi64 even_blocks = block + 2 * iota<int64_t>();
  vi64 even[4], odd[4];
  philox_rounds(key, even_blocks, even);
  philox_rounds(key, even_blocks + 1, odd);
  for (int w = 0; w < 4; ++w) words[w] = (even[w] & 0xffffffff) | odd[w] << 32;
}

// ---- bits to numbers ----------------------------------------------------------------------

// In [0, 1), equally spaced by 2^-23 or 2^-52: bits as the significand of a number in [1, 2).
// For int64 all bits, that is any value.
template <class T>
NNF_INLINE vec<T> uniform_of(vi64 bits) {
  using F = Ieee<T>;
  using uint = typename F::uint;
  constexpr int drop = 8 * int(sizeof(T)) - F::kMantissa;
  return (vec<T>)((mask<T>)((vec<uint>)bits >> drop) | F::kOneBits) - T(1);
}
template <>
NNF_INLINE vi64 uniform_of<int64_t>(vi64 bits) {
  return bits;
}

// In (0, 1], with all bits used near 0: what a logarithm may be taken of.
NNF_INLINE vf32 positive_uniform(vi64 bits, float) {
  const vi32 upper = (vi32)((vec<uint32_t>)bits >> 16), lower = (vi32)bits & 0xffff;
  const vf32 tail = __builtin_convertvector(lower, vf32) * 0x1p-32f + 0x1p-33f;  // exact
  return __builtin_convertvector(upper, vf32) * 0x1p-16f + tail;
}
NNF_INLINE vf64 positive_uniform(vi64 bits, double) { return uniform_of<double>(bits) + 0x1p-53; }

// Box and Muller (1958): two uniforms to two independent standard normals.
template <class T>
NNF_INLINE void box_muller(vi64 bits0, vi64 bits1, vec<T>* z0, vec<T>* z1) {
  const vec<T> radius = sqrt(T(-2) * log(positive_uniform(bits0, T(0))));
  vec<T> s, c;
  sincos_2pi(uniform_of<T>(bits1), &s, &c);
  *z0 = radius * c, *z1 = radius * s;
}

// ---- kernels ------------------------------------------------------------------------------

// Fills y from numbers(words, out): four vectors of bits to four vectors of T.
template <class T, class F>
NNF_INLINE void draw(int64_t n, T* y, const int64_t* rng, int64_t group, F numbers) {
  constexpr int per_group = kPhiloxWords * 4 / int(sizeof(T));
  const PhiloxKey key(rng);
  for (; n > 0; n -= per_group, y += per_group, ++group) {
    T buffer[per_group];
    T* const to = n < per_group ? buffer : y;
    for (int b = 0; b < kPhiloxBlocks; b += kLanes<float>) {
      vi64 words[4];
      vec<T> out[4];
      philox(key, group * kPhiloxBlocks + b, words);
      numbers(words, out);
      for (int w = 0; w < 4; ++w)
        store<T>(to + (w * kPhiloxBlocks + b) * 4 / int(sizeof(T)), out[w]);
    }
    if (to == buffer) __builtin_memcpy(y, buffer, size_t(n) * sizeof(T));
  }
}

// y: uniform in [0, 1); int64: in its whole range. 32 bits a float32, 64 a float64 or int64.
template <class T>
void uniform(int64_t n, T* y, const int64_t* rng, int64_t group) {
  draw<T>(n, y, rng, group, [](const vi64* words, vec<T>* out) {
    for (int w = 0; w < 4; ++w) out[w] = uniform_of<T>(words[w]);
  });
}

// y: standard normal.
template <class T>
void normal(int64_t n, T* y, const int64_t* rng, int64_t group) {
  draw<T>(n, y, rng, group, [](const vi64* words, vec<T>* out) {
    box_muller<T>(words[0], words[1], out, out + 1);
    box_muller<T>(words[2], words[3], out + 2, out + 3);
  });
}

// One vector of words decides over as many elements: y = x * scale where word >= bound, else 0.
NNF_INLINE void drop(vi32 words, int32_t bound, const float* x, float scale, float* y) {
  store<float>(y, words >= bound ? load<float>(x) * scale : vf32{});
}
NNF_INLINE void drop(vi32 words, int32_t bound, const double* x, double scale, double* y) {
  typedef int32_t half_vi32 __attribute__((vector_size(NNF_VECTOR_BYTES / 2)));
  const vi32 keep = words >= bound;
  half_vi32 half[2];
  __builtin_memcpy(half, &keep, sizeof keep);
  for (int i = 0; i < 2; ++i, x += kLanes<double>, y += kLanes<double>)
    store<double>(y, __builtin_convertvector(half[i], vi64) ? load<double>(x) * scale : vf64{});
}

// y = x * scale where the element's word, as a signed number, is at least bound, else 0. One
// 32-bit word per element for both dtypes, so both have the same mask. y may be x itself.
template <class T>
void dropout(int64_t n, const T* x, T* y, const int64_t* rng, int64_t group, int32_t bound,
             double scale) {
  const PhiloxKey key(rng);
  for (; n > 0; n -= kPhiloxWords, x += kPhiloxWords, y += kPhiloxWords, ++group) {
    T buffer[kPhiloxWords];
    const bool whole = n >= kPhiloxWords;
    if (!whole)
      for (int i = 0; i < kPhiloxWords; ++i) buffer[i] = i < n ? x[i] : T(0);
    const T* const from = whole ? x : buffer;
    T* const to = whole ? y : buffer;
    for (int b = 0; b < kPhiloxBlocks; b += kLanes<float>) {
      vi64 words[4];
      philox(key, group * kPhiloxBlocks + b, words);
      for (int w = 0; w < 4; ++w) {
        const int i = w * kPhiloxBlocks + b;
        drop((vi32)words[w], bound, from + i, T(scale), to + i);
      }
    }
    if (!whole) __builtin_memcpy(y, buffer, size_t(n) * sizeof(T));
  }
}

}  // namespace
}  // namespace nnf
