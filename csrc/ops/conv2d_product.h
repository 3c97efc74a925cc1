// What the forward convolution and the gradient of the input have in common: each image of the
// result is weights times Xhat (see kernels/conv.h), with other weights, grids and places.
//
// An algorithm for them is a template A<T> with
//   items(s, M, K): elements of workspace for products of M rows and at most K columns,
//   run(product, s, memory): computes one product.
#pragma once

#include <type_traits>

#include "ops/conv_choice.h"
#include "ops/conv_shape.h"

namespace nnf {

template <class T>
struct Product {
  ImageGrid grid;
  const TapTables* tables;
  const T* image;
  int64_t N, G, M;  // M rows of the result for each group
  // Weights: row i, tap (kh, kw) and channel c of group g lie at
  // g * w_group + i * w_row + c * w_channel + kh * w_width + kw.
  const T* w;
  int64_t w_group, w_row, w_channel, w_width;
  // Results: pixel (u, v) of row i lies at i * plane + u * row_step + v * col_step.
  T* y;
  int64_t plane, row_step, col_step;
  const T* bias;

  int64_t K() const { return grid.KH * grid.KW * grid.channels; }
  int64_t pixels() const { return grid.OH * grid.OW; }
  bool in_place() const { return col_step == 1 && row_step == grid.OW; }
};

// The workspace of a call begins with the tables of its grid.
inline int64_t table_bytes(const ConvLayer& s) { return round_up(TapTables::items(s) * 8, 64); }

template <class T>
T* behind_tables(const ConvLayer& s, void* workspace) {
  return reinterpret_cast<T*>(static_cast<char*>(workspace) + table_bytes(s));
}

template <template <class> class A>
int64_t product_workspace(const ConvShape& s, int64_t M, int64_t K, DType t) {
  const int64_t items = t == DType::f64 ? A<double>::items(s, M, K) : A<float>::items(s, M, K);
  return table_bytes(s) + items * item_size(t);
}

template <template <class> class A>
int64_t forward_workspace(const ConvShape& s, DType t) {
  return product_workspace<A>(s, s.O, s.C * s.taps(), t);
}

template <template <class> class A>
int64_t input_workspace(const ConvShape& s, DType t) {
  return product_workspace<A>(s, s.C, s.O * s.taps(), t);
}

template <template <class> class A>
void run_forward(const ConvShape& s, const OpArgs& args) {
  for_float(args.out[0].dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    const TapTables tables(s, static_cast<int64_t*>(args.workspace));
    const T* bias = args.n_in > 2 && args.in[2] ? args.in[2].ptr<T>() : nullptr;
    const Product<T> p{output_grid(s, tables),
                       &tables,
                       args.in[0].ptr<T>(),
                       s.N,
                       s.G,
                       s.O,
                       args.in[1].ptr<T>(),
                       s.O * s.C * s.taps(),
                       s.C * s.taps(),
                       s.taps(),
                       s.KW,
                       args.out[0].ptr<T>(),
                       s.OH * s.OW,
                       s.OW,
                       1,
                       bias};
    A<T>::run(p, s, behind_tables<T>(s, args.workspace));
  });
}

// The pixels of x that the same taps reach are one phase: sh * sw of them, each a convolution of
// dy with stride 1 and some of the taps, so no product with a zero between pixels is computed.
template <template <class> class A>
void run_input(const ConvShape& s, const OpArgs& args) {
  for_float(args.out[0].dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    const Conv2dAttrs& at = s.at;
    const TapTables tables(s, static_cast<int64_t*>(args.workspace));
    for (int64_t a = 0; a < at.sh && a < s.H; ++a) {
      for (int64_t b = 0; b < at.sw && b < s.W; ++b) {
        const Phase h = make_phase(a, s.H, s.KH, at.sh, at.ph, at.dh, tables.tap_row, tables.row);
        const Phase w = make_phase(b, s.W, s.KW, at.sw, at.pw, at.dw, tables.tap_col, tables.col);
        const Product<T> p{phase_grid(s, tables, h, w),
                           &tables,
                           args.in[0].ptr<T>(),
                           s.N,
                           s.G,
                           s.C,
                           args.in[1].ptr<T>(),
                           s.O * s.C * s.taps(),
                           s.taps(),
                           s.C * s.taps(),
                           s.KW,
                           args.out[0].ptr<T>() + a * s.W + b,
                           s.H * s.W,
                           at.sh * s.W,
                           at.sw,
                           nullptr};
        A<T>::run(p, s, behind_tables<T>(s, args.workspace));
      }
    }
  });
}

}  // namespace nnf
