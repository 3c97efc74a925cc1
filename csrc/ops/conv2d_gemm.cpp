// Convolution and the gradient of its input as matrix products: A Xhat for each image and group,
// see kernels/conv.h. Each element of the result sums over K = (tap, channel) in order, in blocks
// of kKC, like ops/gemm.h.
#include "ops/conv2d_gemm_weight.h"
#include "ops/conv2d_product.h"
#include "ops/gemm.h"

namespace nnf {

namespace {

constexpr int64_t kTaskRows = 192, kTaskCols = 128;  // of the result, at least, for one task

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

// Weights of one panel that has several taps: read in the order in which they lie.
template <class T>
void pack_taps(const Product<T>& p, int64_t g, int64_t i, T* panels) {
  constexpr int64_t kSome = 64;
  const int64_t mr = kernels<T>().mr, K = p.K(), C = p.grid.channels, taps = p.grid.KH * p.grid.KW;
  const int64_t all_rows = round_up(p.M, mr);
  const T* w = p.w + g * p.w_group + i * p.w_row;
  auto place = [&](int64_t t) {  // of tap t of the grid among those of the kernel
    return p.tables->tap_row[t / p.grid.KW] * p.w_width + p.tables->tap_col[t % p.grid.KW];
  };
  int64_t end = 0;
  for (int64_t t = 0; t < taps; ++t) end = most(end, place(t) + 1);
  for (int64_t first = 0; first < end; first += kSome)
    for (int64_t c = 0; c < C; ++c) {
      T* to[kSome] = {};
      for (int64_t t = 0; t < taps; ++t) {
        const int64_t k = t * C + c, k0 = k / kKC * kKC, kc = least(K - k0, kKC), at = place(t);
        if (at >= first && at < first + kSome)
          to[at - first] = panels + all_rows * (g * K + k0) + i * kc + (k - k0) * mr;
      }
      kernels<T>().pack_taps(int(least(p.M - i, mr)), int(least(end - first, kSome)),
                             w + c * p.w_channel + first, p.w_row, to);
    }
}

template <class T>
void pack_weights(const Product<T>& p, T* panels) {
  const int64_t mr = kernels<T>().mr, K = p.K(), per_group = ceil_div(p.M, mr);
  parallel_for(p.G * per_group, double(p.G) * p.M * K * kPackOne, [&](int64_t task, int) {
    const int64_t g = task / per_group, i = task % per_group * mr;
    if (p.grid.KH * p.grid.KW != 1) return pack_taps(p, g, i, panels);
    const int64_t rows = p.M - i < mr ? p.M - i : mr, all_rows = per_group * mr;
    const T* w =
        p.w + g * p.w_group + i * p.w_row + p.tables->tap_row[0] * p.w_width + p.tables->tap_col[0];
    for (int64_t k0 = 0; k0 < K; k0 += kKC) {
      const int64_t kc = K - k0 < kKC ? K - k0 : kKC;
      kernels<T>().pack_a(rows, kc, w + k0 * p.w_channel, p.w_row, p.w_channel, T(1),
                          panels + all_rows * (g * K + k0) + i * kc);
    }
  });
}

// Part of the result: rows [i0, i0 + rows) of group g, columns [q0, q0 + cols) of the pixels of
// the images from n on.
struct Block {
  int64_t g, n, i0, rows, q0, cols;
};

// Sums a block, rows of the result ld apart.
template <class T>
void multiply_block(const Product<T>& p, const Block& b, const T* a_panels, T* b_panels, T* block,
                    int64_t ld) {
  const auto& kn = kernels<T>();
  const int64_t mr = kn.mr, nr = kn.nr, K = p.K(), all_rows = round_up(p.M, mr);
  const T* image = p.image + b.n * p.grid.image + b.g * p.grid.channels * p.grid.plane;
  for (int64_t k0 = 0; k0 == 0 || k0 < K; k0 += kKC) {
    const int64_t kc = K - k0 < kKC ? K - k0 : kKC;
    const T* a = a_panels + all_rows * (b.g * K + k0) + b.i0 * kc;
    for (int64_t j = 0; j < b.cols; j += nr) {
      const int width = int(b.cols - j < nr ? b.cols - j : nr);
      kn.pack_pixels(p.grid, image, k0, kc, b.q0 + j, width, b_panels + j * kc);
    }
    for (int64_t j = 0; j < b.cols; j += nr)
      for (int64_t i = 0; i < b.rows; i += mr)
        kn.gemm_tile(kc, a + i * kc, b_panels + j * kc, block + i * ld + j, ld,
                     int(b.rows - i < mr ? b.rows - i : mr), int(b.cols - j < nr ? b.cols - j : nr),
                     k0 > 0, nullptr);
  }
}

// A block of results and their bias goes to its pixels, image by image.
template <class T>
void scatter_block(const Product<T>& p, const Block& b, const T* bias, T* block, int64_t ld) {
  if (bias) {
    Epilogue<T> ep;
    ep.row_bias = bias;
    kernels<T>().epilogue(b.rows, b.cols, block, ld, ep);
  }
  const int64_t P = p.pixels();
  for (int64_t j = 0; j < b.cols;) {
    const int64_t n = b.n + (b.q0 + j) / P, q = (b.q0 + j) % P;
    const int64_t len = P - q < b.cols - j ? P - q : b.cols - j;
    T* y = p.y + ((n * p.G + b.g) * p.M + b.i0) * p.plane;
    kernels<T>().scatter_pixels(b.rows, q, len, block + j, ld, p.grid.OW, p.row_step, p.col_step,
                                p.plane, y);
    if (p.in_place()) p.ep.apply(b.rows, len, y + q, p.plane);
    j += len;
  }
}

// Images whose pixels do not fill a task are joined: columns run over all of them.
template <class T>
void multiply(const Product<T>& p, const T* a_panels, T* workspace) {
  const auto& kn = kernels<T>();
  const int64_t P = p.pixels();
  const int64_t wanted_rows = 4 * P < kTaskCols ? kTaskRows / 2 : kTaskRows;  // or too few tasks
  const int64_t task_rows = round_up(wanted_rows, kn.mr), task_cols = round_up(kTaskCols, kn.nr);
  const bool joined = P < task_cols, in_place = p.in_place() && !joined;
  const int64_t columns = joined ? p.N * P : P;
  const int64_t row_tasks = ceil_div(p.M, task_rows), col_tasks = ceil_div(columns, task_cols);
  const int64_t tasks = (joined ? 1 : p.N) * p.G * row_tasks * col_tasks;
  const int64_t items = worker_items<T>();
  parallel_for(tasks, double(p.N) * p.G * p.M * P * (p.K() * kMultiplyAdd + 1),
               [&](int64_t task, int worker) {
                 Block b;
                 b.q0 = task % col_tasks * task_cols,
                 b.i0 = task / col_tasks % row_tasks * task_rows;
                 const int64_t ng = task / col_tasks / row_tasks;
                 b.g = ng % p.G, b.n = ng / p.G;
                 b.cols = columns - b.q0 < task_cols ? columns - b.q0 : task_cols;
                 b.rows = p.M - b.i0 < task_rows ? p.M - b.i0 : task_rows;
                 T* b_panels = workspace + worker * items;
                 const T* bias = p.bias ? p.bias + b.g * p.M + b.i0 : nullptr;
                 if (in_place) {
                   T* y = p.y + (ng * p.M + b.i0) * p.plane + b.q0;
                   multiply_block(p, b, a_panels, b_panels, y, p.plane);
                   p.ep.apply(b.rows, b.cols, y, p.plane, bias);
                 } else {
                   T* block = b_panels + task_cols * kKC + 64;
                   multiply_block(p, b, a_panels, b_panels, block, task_cols);
                   scatter_block(p, b, bias, block, task_cols);
                 }
               });
}

template <class T>
struct Gemm {
  static int64_t items(const ConvShape&, const ProductSize& p) {
    return weight_items<T>(p.G, p.M, p.K()) + num_threads() * worker_items<T>();
  }
  static void run(const Product<T>& p, const ProductSize&, const ConvShape&, T* memory) {
    pack_weights(p, memory);
    multiply(p, memory, memory + weight_items<T>(p.G, p.M, p.K()));
  }
};

bool always(const ConvLayer&) { return true; }

}  // namespace

const ConvMethod conv_gemm[3] = {
    {always, forward_workspace<Gemm>, run_forward<Gemm>},
    {always, input_workspace<Gemm>, run_input<Gemm>},
    {always, gemm_weight_workspace, run_gemm_weight},
};

}  // namespace nnf
