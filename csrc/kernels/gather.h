// Rows by number: taking them, and adding to them. A number outside of [0, n) stands for no row.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/table.h"
#include "simd/vec.h"

namespace nnf {
namespace {

NNF_INLINE bool is_row(int64_t i, int64_t n) { return uint64_t(i) < uint64_t(n); }

// y[j] = x[index[j]] for j < count, rows of `width` elements; zeros where index[j] is no row.
// past_caches as in MapArgs.
template <class T>
void take_rows(int64_t count, const int64_t* index, int64_t n, int64_t width, const T* x, T* y,
               bool past_caches) {
  RowWriter<T> writer(past_caches);
  for (int64_t j = 0; j < count; ++j, y += width) {
    const bool exists = is_row(index[j], n);
    const T* row = x + (exists ? index[j] : 0) * width;
    auto value = [&](int64_t i, int k) __attribute__((always_inline)) {
      return exists ? load_k<T>(row + i, k) : vec<T>{};
    };
    writer.write(width, y, value);
  }
}

// x[index[j]] += dy[j] for j < count, in order: `width` elements of rows that lie ld apart in x and
// in dy. Not where index[j] is `ignored`.
template <class T>
void add_rows(int64_t count, const int64_t* index, int64_t n, int64_t ignored, int64_t ld,
              int64_t width, const T* dy, T* x) {
  for (int64_t j = 0; j < count; ++j, dy += ld) {
    if (!is_row(index[j], n) || index[j] == ignored) continue;
    T* row = x + index[j] * ld;
    auto step = [&](int64_t i, int k) __attribute__((always_inline)) {
      store_k<T>(row + i, load_k<T>(row + i, k) + load_k<T>(dy + i, k), k);
    };
    for_lanes<T>(width, step);
  }
}

// Whether all numbers are of one of n.
template <class T>
bool all_exist(int64_t count, const T* index, int64_t n) {
  uint64_t wrong = 0;  // its highest bit: a negative number, or one above n - 1
  for (int64_t i = 0; i < count; ++i)
    wrong |= uint64_t(index[i]) | (uint64_t(n - 1) - uint64_t(index[i]));
  return wrong >> 63 == 0;
}

// y[r, i] = x[r, index[i]] for i < count in rows of n elements; 0 where index[i] is none of n. Rows
// of y lie ldy apart.
template <class T>
void take_elements(int64_t rows, int64_t count, const int64_t* index, int64_t n, const T* x, T* y,
                   int64_t ldy) {
  const bool known = all_exist(count, index, n);
  for (int64_t r = 0; r < rows; ++r, x += n, y += ldy) {
    if (known) {
#pragma GCC unroll 8
      for (int64_t i = 0; i < count; ++i) y[i] = x[index[i]];
    } else {
      for (int64_t i = 0; i < count; ++i) y[i] = is_row(index[i], n) ? x[index[i]] : T(0);
    }
  }
}

// y[i] = x[i * along + index[i] * step] for i < count; 0 where index[i] is none of n. along: 0
// or 1.
template <class T>
void gather_row(int64_t count, const int64_t* index, int64_t n, const T* x, int64_t along,
                int64_t step, T* y) {
  if (!all_exist(count, index, n)) {
    for (int64_t i = 0; i < count; ++i)
      y[i] = is_row(index[i], n) ? x[i * along + index[i] * step] : T(0);
  } else if (along == 0 && step == 1) {
#pragma GCC unroll 8
    for (int64_t i = 0; i < count; ++i) y[i] = x[index[i]];
  } else if (along == 1) {
    for (int64_t i = 0; i < count; ++i) y[i] = x[i + index[i] * step];
  } else {
    for (int64_t i = 0; i < count; ++i) y[i] = x[i * along + index[i] * step];
  }
}

// y[i * along + index[i] * step] = src[i], or += if add, for i < count in order.
template <class T>
void scatter_row(int64_t count, const int64_t* index, int64_t n, const T* src, bool add,
                 int64_t along, int64_t step, T* y) {
  if (!all_exist(count, index, n)) {
    for (int64_t i = 0; i < count; ++i) {
      if (!is_row(index[i], n)) continue;
      T& to = y[i * along + index[i] * step];
      to = add ? T(to + src[i]) : src[i];
    }
  } else if (along == 0 && step == 1) {
    if (add)
      for (int64_t i = 0; i < count; ++i) y[index[i]] += src[i];
    else
      for (int64_t i = 0; i < count; ++i) y[index[i]] = src[i];
  } else if (add) {
    for (int64_t i = 0; i < count; ++i) y[i * along + index[i] * step] += src[i];
  } else {
    for (int64_t i = 0; i < count; ++i) y[i * along + index[i] * step] = src[i];
  }
}

}  // namespace
}  // namespace nnf
