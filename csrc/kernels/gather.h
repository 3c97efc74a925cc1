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
  for (int64_t j = 0; j < count; ++j, y += width) {
    const bool exists = is_row(index[j], n);
    const T* row = x + (exists ? index[j] : 0) * width;
    auto value = [&](int64_t i, int k) __attribute__((always_inline)) {
      return exists ? load_k<T>(row + i, k) : vec<T>{};
    };
    for_vectors<T>(
        width, y, past_caches, [&](int64_t i) { store<T>(y + i, value(i, kLanes<T>)); },
        [&](int64_t i) { stream<T>(y + i, value(i, kLanes<T>)); },
        [&](int64_t i, int k) { store_n<T>(y + i, value(i, k), k); });
  }
  if (past_caches) stream_fence();
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

}  // namespace
}  // namespace nnf
