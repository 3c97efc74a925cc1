// What the forward convolution and the gradient of the input have in common: each image of the
// result is weights times Xhat (see kernels/conv.h), with other weights, grids and places.
//
// An algorithm for them is a template A<T> with
//   items(s, size): elements of workspace for a product of that size,
//   run(product, size, s, memory): computes it.
#pragma once

#include <algorithm>
#include <type_traits>

#include "base/parallel.h"
#include "ops/conv_choice.h"
#include "ops/conv_epilogue.h"
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
  ConvEpilogue<T> ep;

  int64_t K() const { return grid.KH * grid.KW * grid.channels; }
  int64_t pixels() const { return grid.OH * grid.OW; }
  bool in_place() const { return col_step == 1 && row_step == grid.OW; }
};

// What the size of the workspace depends on.
struct ProductSize {
  int64_t G, M, channels;
  Reach h, w;
  int64_t sh, sw;  // pixels of the image from one pixel of the result to the next

  int64_t taps() const { return h.taps * w.taps; }
  int64_t K() const { return channels * taps(); }
};

inline ProductSize forward_size(const ConvShape& s) {
  const Conv2dAttrs& at = s.at;
  return {s.G,
          s.O,
          s.C,
          forward_reach(s.OH, s.KH, at.ph, at.dh),
          forward_reach(s.OW, s.KW, at.pw, at.dw),
          at.sh,
          at.sw};
}

inline ProductSize phase_size(const ConvShape& s, int64_t a, int64_t b) {
  const Conv2dAttrs& at = s.at;
  return {s.G,
          s.C,
          s.O,
          phase_reach(a, s.H, s.KH, at.sh, at.ph, at.dh),
          phase_reach(b, s.W, s.KW, at.sw, at.pw, at.dw),
          1,
          1};
}

// The workspace of a call begins with the tables of its grid.
inline int64_t table_bytes(const ConvLayer& s) { return round_up(TapTables::items(s) * 8, 64); }

template <class T>
T* behind_tables(const ConvLayer& s, void* workspace) {
  return reinterpret_cast<T*>(static_cast<char*>(workspace) + table_bytes(s));
}

template <template <class> class A>
int64_t product_items(const ConvShape& s, const ProductSize& size, DType t) {
  return t == DType::f64 ? A<double>::items(s, size) : A<float>::items(s, size);
}

template <template <class> class A>
int64_t forward_workspace(const ConvShape& s, DType t) {
  return table_bytes(s) + product_items<A>(s, forward_size(s), t) * item_size(t);
}

template <template <class> class A>
int64_t input_workspace(const ConvShape& s, DType t) {
  int64_t most = 0;
  for (int64_t a = 0; a < s.at.sh && a < s.H; ++a)
    for (int64_t b = 0; b < s.at.sw && b < s.W; ++b) {
      const int64_t items = product_items<A>(s, phase_size(s, a, b), t);
      if (items > most) most = items;
    }
  return table_bytes(s) + most * item_size(t);
}

template <template <class> class A>
void run_forward(const ConvShape& s, const OpArgs& args) {
  for_float(args.out[0].dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    const TapTables tables(s, static_cast<int64_t*>(args.workspace));
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
                       bias_of<T>(args),
                       ConvEpilogue<T>(args)};
    A<T>::run(p, forward_size(s), s, behind_tables<T>(s, args.workspace));
  });
}

// Whether there are pixels of x that no tap reaches.
inline bool has_gaps(const ConvShape& s) {
  for (int64_t a = 0; a < s.at.sh && a < s.H; ++a)
    for (int64_t b = 0; b < s.at.sw && b < s.W; ++b)
      if (phase_size(s, a, b).taps() == 0) return true;
  return false;
}

template <class T>
void fill_zeros(T* x, int64_t n) {
  constexpr int64_t kSome = 1 << 16;
  parallel_for(ceil_div(n, kSome), double(n) / 4, [&](int64_t t, int) {
    std::fill(x + t * kSome, x + least(n, (t + 1) * kSome), T(0));
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
    const bool gaps = has_gaps(s);
    if (gaps) fill_zeros(args.out[0].ptr<T>(), args.out[0].size);
    for (int64_t a = 0; a < at.sh && a < s.H; ++a) {
      for (int64_t b = 0; b < at.sw && b < s.W; ++b) {
        if (gaps && phase_size(s, a, b).taps() == 0) continue;
        const Reach h = phase_reach(a, s.H, s.KH, at.sh, at.ph, at.dh, tables.tap_row, tables.row);
        const Reach w = phase_reach(b, s.W, s.KW, at.sw, at.pw, at.dw, tables.tap_col, tables.col);
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
                           nullptr,
                           ConvEpilogue<T>(args)};
        A<T>::run(p, phase_size(s, a, b), s, behind_tables<T>(s, args.workspace));
      }
    }
  });
}

}  // namespace nnf
