// Whether numbers went wrong.
#pragma once

#include "kernels/table.h"
#include "simd/vec.h"

namespace nnf {
namespace {

// Whether none of x is infinite or NaN: x - x is 0 for all others.
template <class T>
bool all_finite(int64_t n, const T* x) {
  constexpr int L = kLanes<T>, V = 4;
  mask<T> bad[V] = {};
  int64_t i = 0;
  for (; i + V * L <= n; i += V * L) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const vec<T> a = load<T>(x + i + v * L);
      bad[v] |= a - a != 0;
    }
  }
  for (; i < n; i += L) {
    const vec<T> a = n - i < L ? load_n<T>(x + i, int(n - i)) : load<T>(x + i);
    bad[0] |= a - a != 0;
  }
  for (int v = 1; v < V; ++v) bad[0] |= bad[v];
  for (int l = 0; l < L; ++l)
    if (bad[0][l]) return false;
  return true;
}

}  // namespace
}  // namespace nnf
