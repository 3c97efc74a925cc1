// Layer normalization: every row by itself, a row being the elements of the last dimensions.
//   layer_norm:          (x, w?, b?) -> y, and mean and rstd of each row
//   layer_norm_backward: (dy, x, mean, rstd, w?) -> dx, dw, db
// dw and db are sums over rows: of blocks of fixed size, added in order and in double.
#include <type_traits>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/attrs.h"
#include "ops/past_caches.h"
#include "ops/registry.h"

namespace nnf {

namespace {

constexpr int64_t kTaskItems = 16384;   // elements that a task covers, at least
constexpr int64_t kBlockItems = 32768;  // of a block whose gradients are summed up
constexpr int64_t kColumns = 64;        // of a task that adds the blocks' sums: whole cache lines
constexpr int64_t kPartRows = 64;       // sums that are added as they are

struct Rows {
  int64_t rows, n;

  Rows(const View& x, const View& mean) : rows(mean.size), n(rows ? x.size / rows : 0) {}
  int64_t block() const { return ceil_div(kBlockItems, n); }
  int64_t blocks() const { return ceil_div(rows, block()); }
};

template <class T>
T* at(const View& v, int64_t i) {
  return v ? v.ptr<T>() + i : nullptr;
}

template <class T>
void run_forward(const OpArgs& args) {
  const View *in = args.in, *out = args.out;
  const Rows g(in[0], out[1]);
  const double eps = args.attributes<LayerNormAttrs>().eps;
  const bool past = past_caches(args);
  const int64_t step = ceil_div(kTaskItems, g.n);
  parallel_for(ceil_div(g.rows, step), 3.0 * g.rows * g.n, [&](int64_t task, int) {
    const int64_t r = task * step;
    kernels<T>().layer_norm(least(step, g.rows - r), g.n, at<T>(in[0], r * g.n), in[1].ptr<T>(),
                            in[2].ptr<T>(), eps, at<T>(out[0], r * g.n), at<T>(out[1], r),
                            at<T>(out[2], r), past);
  });
}

// y[j] = the sum of x[i * stride + j] over i < rows, for n <= kColumns columns.
template <class T>
void add_blocks(int64_t rows, const T* x, int64_t stride, int64_t n, T* y) {
  double total[kColumns] = {};
  T sums[kColumns];
  for (int64_t i = 0; i < rows; i += kPartRows) {
    kernels<T>().reduce_cols(Reduction::sum, least(kPartRows, rows - i), x + i * stride, stride, n,
                             sums);
    for (int64_t j = 0; j < n; ++j) total[j] += double(sums[j]);
  }
  for (int64_t j = 0; j < n; ++j) y[j] = T(total[j]);
}

template <class T>
void run_backward(const OpArgs& args) {
  const View *in = args.in, *out = args.out;
  const Rows g(in[1], in[2]);
  T* sums = static_cast<T*>(args.workspace);  // of each block: dw, then db
  const bool past = past_caches(args);
  parallel_for(g.blocks(), 5.0 * g.rows * g.n, [&](int64_t block, int) {
    const int64_t r = block * g.block(), i = r * g.n;
    T* dw = sums + block * 2 * g.n;
    kernels<T>().layer_norm_backward(least(g.block(), g.rows - r), g.n, at<T>(in[0], i),
                                     at<T>(in[1], i), at<T>(in[2], r), at<T>(in[3], r),
                                     in[4].ptr<T>(), at<T>(out[0], i), dw, dw + g.n, past);
  });
  const int64_t strips = ceil_div(g.n, kColumns);
  parallel_for(2 * strips, 2.0 * g.blocks() * g.n, [&](int64_t task, int) {
    const int64_t which = task / strips, j = task % strips * kColumns;
    add_blocks(g.blocks(), sums + which * g.n + j, 2 * g.n, least(kColumns, g.n - j),
               at<T>(out[1 + which], j));
  });
}

}  // namespace

namespace ops {

void layer_norm(const OpArgs& args) {
  if (args.in[0].size == 0) return;
  for_float(args.in[0].dtype,
            [&](auto* t) { run_forward<std::remove_pointer_t<decltype(t)>>(args); });
}

int64_t layer_norm_backward_workspace(const OpArgs& args) {
  const Rows g(args.in[1], args.in[2]);
  return g.rows ? g.blocks() * 2 * g.n * item_size(args.in[1].dtype) : 0;
}

void layer_norm_backward(const OpArgs& args) {
  for_float(args.in[1].dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    if (args.in[1].size > 0) return run_backward<T>(args);
    for (int k = 1; k < 3; ++k)
      for (int64_t j = 0; j < args.out[k].size; ++j) args.out[k].ptr<T>()[j] = 0;
  });
}

}  // namespace ops

}  // namespace nnf
