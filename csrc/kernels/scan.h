// The extremes so far along a row.
#pragma once

#include "kernels/reduce.h"
#include "kernels/table.h"
#include "simd/vec.h"

namespace nnf {
namespace {

// Lane i becomes f of lanes 0 to i, in their order; `none` changes nothing.
template <class T, int h = 1, class V, class F>
NNF_INLINE V so_far(V v, V none, F f) {
  if constexpr (h < kLanes<T>)
    return so_far<T, 2 * h>(f(behind<T, h>(v, none), v), none, f);
  else
    return v;
}

template <class T, class R>
void running(int64_t n, const T* x, T* values, int64_t* index) {
  constexpr int L = kLanes<T>;
  const vec<T> none = set1<T>(R::template identity<T>());
  const mask<T> nowhere = mask<T>{} - 1;
  auto extreme = [](vec<T> a, vec<T> b) { return R::of(a, b); };
  auto later = [](mask<T> a, mask<T> b) { return greater(a, b); };
  mask<T> lane{};
  for (int l = 0; l < L; ++l) lane[l] = int_of<T>(l);
  vec<T> best = none;
  mask<T> at = nowhere;
  auto step = [&](int64_t i, int k) __attribute__((always_inline)) {
    const vec<T> v = load_k<T>(x + i, k, R::template identity<T>()), same = v;
    best = extreme(best, so_far<T>(v, none, extreme));
    const mask<T> hit = (v == best) | (v != same);
    at = later(at, so_far<T>(hit ? lane + int_of<T>(i) : nowhere, nowhere, later));
    store_k<T>(values + i, best, k);
    int_of<T> numbers[L];
    __builtin_memcpy(numbers, &at, sizeof at);
    for (int l = 0; l < k; ++l) index[i + l] = numbers[l];
    best = last<T>(best), at = last<T>(at);
  };
  for_lanes<T>(n, step);
}

// values[i] = the greatest (least) of x[0] to x[i] for i < n < 2^31, index[i] where it stands: the
// last of equals; once there is a NaN, the latest NaN.
template <class T>
void running_row(bool smallest, int64_t n, const T* x, T* values, int64_t* index) {
  smallest ? running<T, Min>(n, x, values, index) : running<T, Max>(n, x, values, index);
}

}  // namespace
}  // namespace nnf
