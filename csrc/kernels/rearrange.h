// Rows put together from stretches of other rows, and the way back.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/table.h"
#include "simd/vec.h"

namespace nnf {
namespace {

template <class T>
NNF_INLINE vec<T> reversed(vec<T> v) {
  mask<T> index{};
  for (int i = 0; i < kLanes<T>; ++i) index[i] = int_of<T>(kLanes<T> - 1 - i);
  return __builtin_shuffle(v, index);
}

// p[0], p[-1], ... k of them (0 < k <= lanes); reads nothing else.
template <class T>
NNF_INLINE vec<T> load_backwards(const T* p, int k) {
  constexpr int L = kLanes<T>;
  if (k == L) return reversed<T>(load<T>(p - (L - 1)));
  T some[L] = {};
  for (int i = 0; i < k; ++i) some[i] = p[-i];
  return load<T>(some);
}

constexpr int64_t kShort = 8;  // elements that are not worth a vector

// y = a stretch of the row x.
template <class T>
NNF_INLINE void write_stretch(RowWriter<T>& writer, const Stretch& s, const T* x, T value,
                              bool past_caches, T* y) {
  x += s.first;
  if (s.n < kShort && !past_caches) {
    for (int64_t i = 0; i < s.n; ++i) y[i] = s.first < 0 ? value : x[i * s.step];
  } else if (s.first >= 0 && s.step == 1) {
    writer.write(s.n, y, [&](int64_t i, int k) __attribute__((always_inline)) {
      return load_k<T>(x + i, k);
    });
  } else if (s.first >= 0 && s.step < 0) {
    writer.write(s.n, y, [&](int64_t i, int k) __attribute__((always_inline)) {
      return load_backwards<T>(x - i, k);
    });
  } else {
    const vec<T> v = set1<T>(s.first < 0 ? value : *x);
    writer.write(s.n, y, [&](int64_t, int) __attribute__((always_inline)) { return v; });
  }
}

// See StretchArgs. Past the caches row by row, as lines follow each other; else one stretch of all
// rows after the other, which decides less.
template <class T>
void rearrange(const StretchArgs<T>& g) {
  const Stretch* const end = g.stretch + g.stretches;
  RowWriter<T> writer(g.past_caches);
  if (g.past_caches) {
    for (int64_t row = 0; row < g.rows; ++row) {
      T* y = g.y + row * g.ry;
      for (const Stretch* s = g.stretch; s < end; y += s->n, ++s)
        write_stretch<T>(writer, *s, g.x + row * g.rx, g.value, true, y);
    }
  } else {
    T* to = g.y;
    for (const Stretch* s = g.stretch; s < end; to += s->n, ++s) {
      const T* x = g.x;
      T* y = to;
      for (int64_t row = 0; row < g.rows; ++row, x += g.rx, y += g.ry)
        write_stretch<T>(writer, *s, x, g.value, false, y);
    }
  }
}

// See BorderArgs. Vectors are written whole: what is too much of one is written again behind it.
template <class T>
void copy_bordered(const BorderArgs<T>& g) {
  constexpr int L = kLanes<T>;
  const vec<T> value = set1<T>(g.value);
  const T* x = g.x;
  T *y = g.y, *const end = g.end;
  auto put = [&](int64_t i, vec<T> v, int64_t k) __attribute__((always_inline)) {
    if (end - y - i >= L)
      store<T>(y + i, v);
    else
      store_n<T>(y + i, v, int(k));
  };
  auto fill = [&](int64_t n) __attribute__((always_inline)) {
    for (int64_t i = 0; i < n; i += L) put(i, value, n - i < L ? n - i : L);
    y += n;
  };
  fill(g.before);
  for (int64_t plane = 0; plane < g.planes; ++plane) {
    for (int64_t row = 0; row < g.rows; ++row, x += g.n) {
      if (row > 0) fill(g.gap);
      for_lanes<T>(g.n, [&](int64_t i, int k)
                            __attribute__((always_inline)) { put(i, load_k<T>(x + i, k), k); });
      y += g.n;
    }
    fill(end - y < g.between ? end - y : g.between);
  }
}

// dx += dy, each element of dy at the one that it came from, in order: `rows` rows of dy, n apart,
// each of these stretches of a row of dx; those lie rx apart.
template <class T>
void add_rearranged(const Stretch* stretch, int stretches, int64_t rows, const T* dy, int64_t n,
                    T* dx, int64_t rx) {
  for (int64_t row = 0; row < rows; ++row, dy += n, dx += rx) {
    const T* from = dy;
    for (const Stretch* s = stretch; s < stretch + stretches; from += s->n, ++s) {
      if (s->first < 0) continue;
      T* to = dx + s->first;
      if (s->step == 1) {
        for_lanes<T>(s->n, [&](int64_t i, int k) __attribute__((always_inline)) {
          store_k<T>(to + i, load_k<T>(to + i, k) + load_k<T>(from + i, k), k);
        });
      } else {
        for (int64_t i = 0; i < s->n; ++i) to[i * s->step] += from[i];
      }
    }
  }
}

}  // namespace
}  // namespace nnf
