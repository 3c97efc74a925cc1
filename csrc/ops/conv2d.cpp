// conv2d: y[n, o, oh, ow] = b[o] + sum over c, i, j of
//   w[o, c, i, j] x[n, c, oh * sh - ph + i * dh, ow * sw - pw + j * dw], channels in groups;
// conv2d_input: its gradient with respect to x (the transposed convolution of dy).
//
// Both are matrix products A Xhat for each image and group, see kernels/conv.h. Each element of
// the result sums over K = (tap, channel) in order, in blocks of kKC, like ops/gemm.h. Depthwise
// ones go plane by plane, see kernels/depthwise.h.
#include <type_traits>

#include "ops/conv_shape.h"
#include "ops/gemm.h"
#include "ops/registry.h"

namespace nnf {

namespace {

constexpr int64_t kTaskRows = 192, kTaskCols = 128;  // of the result, at least, for one task

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

// Workspace of one worker: panels of Xhat, and a block of results that must be scattered.
template <class T>
int64_t worker_items() {
  const auto& kn = kernels<T>();
  const int64_t cols = round_up(kTaskCols, kn.nr), rows = round_up(kTaskRows, kn.mr);
  return cols * kKC + 64 + rows * cols;
}

// Panels of A for all groups: K blocks one after the other, all rows of a block together.
template <class T>
int64_t weight_items(int64_t G, int64_t M, int64_t K) {
  return round_up(G * round_up(M, kernels<T>().mr) * K, 16);
}

template <class T>
void pack_weights(const Product<T>& p, T* panels) {
  const int64_t mr = kernels<T>().mr, K = p.K(), per_group = ceil_div(p.M, mr);
  const int64_t C = p.grid.channels;
  parallel_for(p.G * per_group, double(p.G) * p.M * K, [&](int64_t task, int) {
    const int64_t g = task / per_group, i = task % per_group * mr;
    const int64_t rows = p.M - i < mr ? p.M - i : mr, all_rows = per_group * mr;
    const T* w = p.w + g * p.w_group + i * p.w_row;
    for (int64_t k = 0; k < K;) {
      const int64_t k0 = k / kKC * kKC, kc = K - k0 < kKC ? K - k0 : kKC;
      const int64_t tap = k / C, c = k % C;
      const int64_t block = k0 + kc - k, run = C - c < block ? C - c : block;
      const int64_t kh = p.tables->tap_row[tap / p.grid.KW];
      const int64_t kw = p.tables->tap_col[tap % p.grid.KW];
      kernels<T>().pack_a(rows, run, w + c * p.w_channel + kh * p.w_width + kw, p.w_row,
                          p.w_channel, T(1),
                          panels + all_rows * (g * K + k0) + i * kc + (k - k0) * mr);
      k += run;
    }
  });
}

template <class T>
void multiply(const Product<T>& p, const T* a_panels, T* workspace) {
  const auto& kn = kernels<T>();
  const int64_t mr = kn.mr, nr = kn.nr, K = p.K(), P = p.pixels();
  const int64_t task_rows = round_up(kTaskRows, mr), task_cols = round_up(kTaskCols, nr);
  const int64_t row_tasks = ceil_div(p.M, task_rows), col_tasks = ceil_div(P, task_cols);
  const int64_t all_rows = round_up(p.M, mr), items = worker_items<T>();
  const bool in_place = p.in_place();
  parallel_for(p.N * p.G * row_tasks * col_tasks, double(p.N) * p.G * p.M * P * (K + 1),
               [&](int64_t task, int worker) {
                 const int64_t q0 = task % col_tasks * task_cols,
                               i0 = task / col_tasks % row_tasks * task_rows;
                 const int64_t ng = task / col_tasks / row_tasks, g = ng % p.G, n = ng / p.G;
                 const int64_t cols = P - q0 < task_cols ? P - q0 : task_cols;
                 const int64_t rows = p.M - i0 < task_rows ? p.M - i0 : task_rows;
                 const T* image = p.image + n * p.grid.image + g * p.grid.channels * p.grid.plane;
                 T* y = p.y + (ng * p.M + i0) * p.plane;
                 T* b_panels = workspace + worker * items;
                 T* block = in_place ? y + q0 : b_panels + task_cols * kKC + 64;
                 const int64_t ld = in_place ? p.plane : task_cols;
                 for (int64_t k0 = 0; k0 == 0 || k0 < K; k0 += kKC) {
                   const int64_t kc = K - k0 < kKC ? K - k0 : kKC;
                   const T* a = a_panels + all_rows * (g * K + k0) + i0 * kc;
                   for (int64_t j = 0; j < cols; j += nr) {
                     const int width = int(cols - j < nr ? cols - j : nr);
                     kn.pack_pixels(p.grid, image, k0, kc, q0 + j, width, b_panels + j * kc);
                   }
                   for (int64_t j = 0; j < cols; j += nr)
                     for (int64_t i = 0; i < rows; i += mr)
                       kn.gemm_tile(kc, a + i * kc, b_panels + j * kc, block + i * ld + j, ld,
                                    int(rows - i < mr ? rows - i : mr),
                                    int(cols - j < nr ? cols - j : nr), k0 > 0);
                 }
                 if (p.bias) {
                   Epilogue<T> ep;
                   ep.row_bias = p.bias + g * p.M + i0;
                   kn.epilogue(rows, cols, block, ld, ep);
                 }
                 if (!in_place)
                   kn.scatter_pixels(rows, q0, cols, block, ld, p.grid.OW, p.row_step, p.col_step,
                                     p.plane, y);
               });
}

// Workspace of one worker: the weights of a plane, and the plane with its padding.
int64_t depthwise_items(const ConvShape& s) { return round_up(s.taps(), 16) + s.padded_items(); }

template <class T>
void convolve_planes(const Product<T>& p, const ConvShape& s, T* workspace) {
  const ImageGrid& g = p.grid;
  const PaddedPlane padded = padded_plane(g);
  const int64_t items = depthwise_items(s);
  for_planes(p.N * p.G, p.pixels(), double(p.pixels()) * p.K(), [&](int64_t plane, int worker) {
    T* w = workspace + worker * items;
    T* next = w;
    for (int64_t i = 0; i < g.KH; ++i)
      for (int64_t j = 0; j < g.KW; ++j)
        *next++ =
            p.w[plane % p.G * p.w_group + p.tables->tap_row[i] * p.w_width + p.tables->tap_col[j]];
    const T* x = padded.fill(p.image + plane * g.plane, T(0), w + round_up(s.taps(), 16));
    kernels<T>().depthwise(g, x, padded.ld, w, p.bias ? p.bias[plane % p.G] : T(0), p.row_step,
                           p.col_step, p.y + plane * p.plane);
  });
}

// Memory of a call: the tables, the packed weights, then each worker's.
template <class T>
int64_t workspace_bytes(const ConvShape& s, int64_t M, int64_t K) {
  const int64_t items = s.depthwise()
                            ? num_threads() * depthwise_items(s)
                            : weight_items<T>(s.G, M, K) + num_threads() * worker_items<T>();
  return round_up(TapTables::items(s) * 8, 64) + items * int64_t(sizeof(T));
}

template <class T>
void run_product(const Product<T>& p, const ConvShape& s, void* workspace) {
  T* memory =
      reinterpret_cast<T*>(static_cast<char*>(workspace) + round_up(TapTables::items(s) * 8, 64));
  if (s.depthwise()) return convolve_planes(p, s, memory);
  pack_weights(p, memory);
  multiply(p, memory, memory + weight_items<T>(p.G, p.M, p.K()));
}

ConvShape forward_shape(const OpArgs& args) {
  return conv_shape(args.in[0], args.in[1], args.out[0], args.attributes<Conv2dAttrs>());
}

ConvShape input_shape(const OpArgs& args) {
  return conv_shape(args.out[0], args.in[1], args.in[0], args.attributes<Conv2dAttrs>());
}

template <class T>
void run_forward(const OpArgs& args) {
  const ConvShape s = forward_shape(args);
  const TapTables tables(s, static_cast<int64_t*>(args.workspace));
  const T* bias = args.n_in > 2 && args.in[2] ? args.in[2].ptr<T>() : nullptr;
  Product<T> p{output_grid(s, tables),
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
  run_product(p, s, args.workspace);
}

// The pixels of x that the same taps reach are one phase: sh * sw of them, each a convolution of
// dy with stride 1 and some of the taps, so no product with a zero between pixels is computed.
template <class T>
void run_input(const OpArgs& args) {
  const ConvShape s = input_shape(args);
  const Conv2dAttrs& at = s.at;
  const TapTables tables(s, static_cast<int64_t*>(args.workspace));
  for (int64_t a = 0; a < at.sh && a < s.H; ++a) {
    for (int64_t b = 0; b < at.sw && b < s.W; ++b) {
      const Phase h = make_phase(a, s.H, s.KH, at.sh, at.ph, at.dh, tables.tap_row, tables.row);
      const Phase w = make_phase(b, s.W, s.KW, at.sw, at.pw, at.dw, tables.tap_col, tables.col);
      Product<T> p{phase_grid(s, tables, h, w),
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
      run_product(p, s, args.workspace);
    }
  }
}

}  // namespace

namespace ops {

int64_t conv2d_workspace(const OpArgs& args) {
  const ConvShape s = forward_shape(args);
  return args.out[0].dtype == DType::f64 ? workspace_bytes<double>(s, s.O, s.C * s.taps())
                                         : workspace_bytes<float>(s, s.O, s.C * s.taps());
}

void conv2d(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_float(args.out[0].dtype,
            [&](auto* t) { run_forward<std::remove_pointer_t<decltype(t)>>(args); });
}

int64_t conv2d_input_workspace(const OpArgs& args) {
  const ConvShape s = input_shape(args);
  return args.out[0].dtype == DType::f64 ? workspace_bytes<double>(s, s.C, s.O * s.taps())
                                         : workspace_bytes<float>(s, s.C, s.O * s.taps());
}

void conv2d_input(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_float(args.out[0].dtype,
            [&](auto* t) { run_input<std::remove_pointer_t<decltype(t)>>(args); });
}

}  // namespace ops

}  // namespace nnf
