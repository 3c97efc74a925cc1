// Elementwise maps one after another over one shape, block by block: what passes between them
// stays in cache and needs no memory. The kernels are those of the single maps, so the bits are
// the same too. A plan makes chains (nnfast/graph/chains.py).
#include <type_traits>

#include "kernels/table.h"
#include "ops/attrs.h"
#include "ops/past_caches.h"
#include "ops/registry.h"
#include "ops/strided.h"

namespace nnf {

namespace {

constexpr int64_t kBlockBytes = 8192;  // of each value: a few fit into L1
constexpr double kStepCost = 4;

// Values of one block of rows, from which pieces are cut.
template <class T>
struct ChainBlock {
  static constexpr int64_t kItems = kBlockBytes / int64_t(sizeof(T));

  const OpArgs& args;
  const ChainAttrs& attrs;
  const Walk& walk;
  int64_t n;  // of a row
  const int64_t* offset;
  int64_t out;
  bool past_caches;
  T (*temporary)[kItems];

  // Where a value lies, for one piece: its first element, step (0 or 1) and row stride.
  struct Place {
    T* data;
    int step;
    int64_t row_stride;
  };
  Place place(int64_t v, int64_t row, int64_t i, int64_t k) {
    if (v < 0) return {temporary[0], 0, 0};
    if (v < args.n_in) {
      const int64_t* stride = walk.stride[v] + walk.ndim - 1;
      const int64_t rows = walk.ndim > 1 ? stride[-1] : 0;
      return {args.in[v].ptr<T>() + offset[v] + row * rows + i * *stride, *stride != 0, rows};
    }
    if (v < args.n_in + args.n_out)
      return {args.out[v - args.n_in].ptr<T>() + out + row * n + i, 1, n};
    return {temporary[v - args.n_in - args.n_out], 1, k};
  }

  // k elements of each of m rows.
  void run(int64_t row, int64_t m, int64_t i, int64_t k) {
    for (int64_t s = 0; s < attrs.steps; ++s) {
      const ChainStep& step = attrs.step[s];
      const Place a = place(step.a, row, i, k), b = place(step.b, row, i, k);
      const Place c = place(step.c, row, i, k), y = place(step.y, row, i, k);
      MapArgs<T> g;
      g.n = k, g.rows = m;
      g.a = a.data, g.sa = a.step, g.ra = a.row_stride;
      g.b = b.data, g.sb = b.step, g.rb = b.row_stride;
      g.c = c.data, g.sc = c.step, g.rc = c.row_stride;
      g.y = y.data, g.ry = y.row_stride;
      g.p[0] = step.p[0], g.p[1] = step.p[1];
      g.past_caches = past_caches && s == attrs.steps - 1;
      kernels<T>().map[op_table()[step.op].variant](g);
    }
  }
};

template <class T>
void run_chain(const OpArgs& args) {
  const auto& attrs = args.attributes<ChainAttrs>();
  const Walk w = make_walk(args.out[0], args.in, args.n_in);
  // The last step writes what nobody in the chain reads; that is an output.
  const bool past = past_caches(args, int(attrs.step[attrs.steps - 1].y) - args.n_in);
  for_rows(w, kStepCost * double(attrs.steps),
           [&](int64_t rows, int64_t n, const int64_t* offset, int64_t out) {
             alignas(64) T temporary[kChainTemporaries][ChainBlock<T>::kItems];
             ChainBlock<T> block{args, attrs, w, n, offset, out, past, temporary};
             const int64_t k = n < block.kItems ? n : block.kItems, m = block.kItems / k;
             for (int64_t row = 0; row < rows; row += m)
               for (int64_t i = 0; i < n; i += k)
                 block.run(row, rows - row < m ? rows - row : m, i, n - i < k ? n - i : k);
           });
}

}  // namespace

namespace ops {

void chain(const OpArgs& args) {
  for_float(args.out[0].dtype,
            [&](auto* t) { run_chain<std::remove_pointer_t<decltype(t)>>(args); });
}

}  // namespace ops

}  // namespace nnf
