// The table of kernels: one struct of function pointers per dtype, filled once per ISA.
//
// kernels.def names each kernel with its signature; T is the dtype. elementwise.def lists the
// elementwise maps, which share one signature. Both are included again wherever a list of all
// kernels is needed, so a kernel is declared in one line.
#pragma once

#include <cstdint>

#include "base/view.h"
#include "kernels/image_grid.h"

namespace nnf {

enum class Map : int {
#define NNF_MAP(name, arity, types, expr) name,
#include "kernels/elementwise.def"
  count
};

enum class Compare : int {
#define NNF_COMPARE(name, expr) name,
#include "kernels/elementwise.def"
  count
};

// y[i] = f(a[i * sa], b[i * sb], c[i * sc]) for i < n; steps sa sb sc are 0 or 1; p: parameters.
// y may be a, b or c itself.
template <class T>
struct MapArgs {
  int64_t n;
  const T *a, *b, *c;
  int sa, sb, sc;
  T* y;
  double p[2];
};

// What is done to a finished tile of a matrix product, in this order.
enum class Activation : int64_t { none, relu, leaky_relu, sigmoid, tanh, gelu };

// Hyper-parameters of an update: a float64 vector in this order. Flags are 0 or 1.
struct SgdHyper {
  double lr, momentum, dampening, weight_decay;
  double nesterov, maximize, first;  // flags; first: the buffer holds nothing yet
};
struct AdamHyper {
  double lr, beta1, beta2, eps, weight_decay;
  double decoupled, maximize;                 // flags; decoupled: AdamW
  double bias_correction1, bias_correction2;  // 1 - beta^step
};
constexpr int kProbeChains = 12;  // vectors that probe_fma works on
// How many values become one.
enum class Reduction : int64_t { sum, max, min };

template <class T>
struct Kernels {
  void (*map[int(Map::count)])(const MapArgs<T>&);  // null where the dtype has no such map
  void (*compare[int(Compare::count)])(int64_t n, const T* a, int sa, const T* b, int sb,
                                       uint8_t* y);
#define NNF_KERNEL(types, name, ret, args) ret(*name) args;
#include "kernels/kernels.def"
  // Register tile of gemm_tile: rows and columns.
  int mr, nr;
  int lanes;  // elements of a vector
};

struct KernelTable {
  Kernels<float> f32;
  Kernels<double> f64;
  Kernels<int64_t> i64;
};

extern const KernelTable kernels_baseline, kernels_avx2, kernels_avx512;

// Kernels of the ISA in use.
template <class T>
const Kernels<T>& kernels();
template <>
const Kernels<float>& kernels();
template <>
const Kernels<double>& kernels();
template <>
const Kernels<int64_t>& kernels();

}  // namespace nnf
