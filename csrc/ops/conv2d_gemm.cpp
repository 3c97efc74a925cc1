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
