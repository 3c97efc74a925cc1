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
// `rows` times: from one row to the next the pointers move by ra, rb, rc and ry. y may be a, b or
// c itself. past_caches: nobody reads y before it would have left the caches anyway.
template <class T>
struct MapArgs {
  int64_t n;
  const T *a, *b, *c;
  int sa, sb, sc;
  T* y;
  double p[2];
  int64_t rows = 1, ra = 0, rb = 0, rc = 0, ry = 0;
  bool past_caches = false;
};

// n elements of a row: number `first`, first + step, ... (step 1, 0 or -1); first < 0: one value.
struct Stretch {
  int64_t n, first, step;
};

// `rows` rows of y, ry apart, each made of the same stretches of a row of x; these lie rx apart.
// past_caches as in MapArgs.
template <class T>
struct StretchArgs {
  const Stretch* stretch;
  int stretches;
  int64_t rows;
  const T* x;
  int64_t rx;
  T* y;
  int64_t ry;
  T value;
  bool past_caches = false;
};

// To y, up to `end`: `before` times a value, then planes of `rows` rows of n elements of x, which
// lie one behind the other, with `gap` times the value between rows and `between` behind planes.
template <class T>
struct BorderArgs {
  int64_t planes, rows, n;
  const T* x;
  int64_t before, gap, between;
  T value;
  T *y, *end;
};

enum class Activation : int64_t { none, relu, leaky_relu, sigmoid, tanh, gelu };

// What happens to a finished element of a matrix product, in this order:
//   c[i, j] = act(c[i, j] + row_bias[i] + col_bias[j] + residual[i, j]); a null pointer is none.
template <class T>
struct Epilogue {
  const T* row_bias = nullptr;
  const T* col_bias = nullptr;
  int64_t col_step = 1;  // from one element of col_bias to the next
  const T* residual = nullptr;
  int64_t residual_rs = 0, residual_cs = 1;
  Activation act = Activation::none;
  T slope = 0;

  bool any() const { return row_bias || col_bias || residual || act != Activation::none; }

  // Whether a tile of a product can do it before it stores its elements.
  bool quick() const {
    return !row_bias && col_step == 1 && !residual &&
           (act == Activation::none || act == Activation::relu);
  }

  // That of the part of C that starts at (i, j).
  Epilogue at(int64_t i, int64_t j) const {
    Epilogue e = *this;
    if (row_bias) e.row_bias += i;
    if (col_bias) e.col_bias += j * col_step;
    if (residual) e.residual += i * residual_rs + j * residual_cs;
    return e;
  }
};

// Neighbouring elements of a gradient; with a row those of a row of an outer product: *grad row[i].
template <class T>
struct RowGradient {
  const T *grad, *row;
};

// Hyper-parameters of an update: a float64 vector in this order. Flags are 0 or 1.
struct SgdHyper {
  double lr, momentum, dampening, weight_decay;
  double nesterov, maximize, first;  // flags; first: the buffer holds nothing yet
};
struct AdamHyper {
  double lr, beta1, beta2, eps, weight_decay;
  double decoupled, maximize;                 // flags; decoupled: AdamW
  double bias_correction1, bias_correction2;  // 1 - beta^step; not in the vector
};
// The other updates: what they change besides param, and the numbers of this step. What a kernel
// takes from them stands above it (kernels/update.h).
struct UpdateRates {
  double sign = 1;    // of grad; -1: maximize
  double decay = 0;   // of param, added to grad
  double shrink = 1;  // factor of param before the update
  double lr = 0, lr2 = 0, eps = 0;
  double beta1 = 0, beta2 = 0;
  double low = 0, high = 0;
};
template <class T>
struct UpdateArgs {
  int64_t n;
  T* param;
  const T* grad;
  T* state[3];
  UpdateRates h;
};
constexpr int kProbeChains = 12;  // vectors that probe_fma works on
// Rows of A that a product reads at once where they lie, in runs: a set of L1 has 8 ways.
constexpr int64_t kRowsInPlace = 8;
// How many values become one.
enum class Reduction : int64_t { sum, max, min, product, squares };

template <class T>
struct Kernels {
  void (*map[int(Map::count)])(const MapArgs<T>&);  // null where the dtype has no such map
  void (*compare[int(Compare::count)])(int64_t n, const T* a, int sa, const T* b, int sb,
                                       uint8_t* y);
#define NNF_KERNEL(types, name, ret, args) ret(*name) args;
#include "kernels/kernels.def"
  // Register tile of gemm_tile: rows and columns.
  int mr, nr;
  int lanes;        // elements of a vector
  int direct_rows;  // of a tile of direct, at most
};

struct KernelTable {
  Kernels<float> f32;
  Kernels<double> f64;
  Kernels<int64_t> i64;
};

extern const KernelTable kernels_baseline, kernels_avx2, kernels_avx512, kernels_neon;

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
