// What the machine can do, for the bench: independent multiply-adds, and a pass over memory.
#pragma once

#include "kernels/table.h"
#include "simd/vec.h"

namespace nnf {
namespace {

// `rounds` times kProbeChains vector multiply-adds that wait for nothing but their own last
// value: enough of them to fill two units of latency 4 (6 without FMA). The values tend to 2.
// Returns something of them, lest they be optimized away.
template <class T>
T probe_fma(int64_t rounds) {
  vec<T> chain[kProbeChains];
  for (int i = 0; i < kProbeChains; ++i) chain[i] = set1<T>(T(i));
  const vec<T> half = set1<T>(T(0.5)), one = set1<T>(T(1));
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 16
    for (int i = 0; i < kProbeChains; ++i) chain[i] = fma(chain[i], half, one);
  }
  for (int i = 1; i < kProbeChains; ++i) chain[0] += chain[i];
  return chain[0][0];
}

// Reads n elements, 8 whole vectors at a time, and combines them so that none can be left out.
template <class T>
T probe_read(int64_t n, const T* x) {
  constexpr int L = kLanes<T>, V = 8;
  mask<T> all[V] = {};
  for (int64_t i = 0; i + V * L <= n; i += V * L) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) all[v] |= (mask<T>)load<T>(x + i + v * L);
  }
  for (int v = 1; v < V; ++v) all[0] |= all[v];
  return T(all[0][0]);
}

}  // namespace
}  // namespace nnf
