// y[..., m, n] = activation(alpha * sum_k a[..., m, k] b[..., k, n] + bias[n] + residual[m, n]),
// any strides in; leading dimensions broadcast. linear takes b transposed, as layers keep their
// weights, and alone has bias and residual.
#include <type_traits>
#include <utility>

#include "kernels/table.h"
#include "ops/attrs.h"
#include "ops/gemm.h"
#include "ops/registry.h"
#include "ops/strided.h"

namespace nnf {

namespace {

struct Shape {
  int64_t m, n, k, batch;
};

Shape shape_of(const OpArgs& args) {
  const View &a = args.in[0], &y = args.out[0];
  Shape s{y.dim(-2), y.dim(-1), a.dim(-1), 1};
  for (int d = 0; d < y.ndim - 2; ++d) s.batch *= y.shape[d];
  return s;
}

// A view without its last two dimensions.
View leading(const View& v) {
  View r = v;
  r.ndim -= 2;
  return r;
}

// Several products run side by side, each on one thread, where there are enough of them.
bool batch_in_parallel(const Shape& s) { return s.batch >= 2; }

int64_t workspace_items(const Shape& s, DType t) {
  return t == DType::f64 ? gemm_workspace<double>(s.m, s.n, s.k)
                         : gemm_workspace<float>(s.m, s.n, s.k);
}

// What follows the product: of linear's inputs, the bias is the third, the residual the fourth.
template <class T>
Epilogue<T> epilogue_of(const OpArgs& args) {
  Epilogue<T> ep;
  const auto& attrs = args.attributes<MatmulAttrs>();
  if (args.n_in > 2 && args.in[2]) {
    ep.col_bias = args.in[2].ptr<T>();
    ep.col_step = args.in[2].stride[0];
  }
  if (args.n_in > 3 && args.in[3]) {
    const View& r = args.in[3];
    ep.residual = r.ptr<T>();
    ep.residual_rs = r.stride[0], ep.residual_cs = r.stride[1];
  }
  ep.act = attrs.activation, ep.slope = T(attrs.slope);
  return ep;
}

template <class T>
void run(const OpArgs& args) {
  const View &a = args.in[0], &b = args.in[1], &y = args.out[0];
  const auto& attrs = args.attributes<MatmulAttrs>();
  const Shape s = shape_of(args);
  if (y.size == 0) return;
  const int64_t ars = a.stride[a.ndim - 2], acs = a.stride[a.ndim - 1];
  const int64_t brs = b.stride[b.ndim - 2], bcs = b.stride[b.ndim - 1];
  T* workspace = static_cast<T*>(args.workspace);
  const Epilogue<T> ep = epilogue_of<T>(args);

  View lead[2] = {leading(a), leading(b)}, out = leading(y);
  out.size = s.batch;
  const Walk w = make_walk(out, lead, 2);
  const int64_t items = workspace_items(s, y.dtype);
  const double work = double(s.m) * s.n * s.k;
  auto product = [&](int64_t i, int worker) {
    int64_t offset[3];
    walk_offsets(w, i / w.inner, offset);
    const T* ap = a.ptr<T>() + offset[0] + i % w.inner * w.stride[0][w.ndim - 1];
    const T* bp = b.ptr<T>() + offset[1] + i % w.inner * w.stride[1][w.ndim - 1];
    gemm<T>(
        s.m, s.n, s.k,
        [&](int64_t i0, int64_t m, int64_t k0, int64_t k, T* panels) {
          kernels<T>().pack_a(m, k, ap + i0 * ars + k0 * acs, ars, acs, T(attrs.alpha), panels);
        },
        [&](int64_t k0, int64_t k, int64_t j0, int64_t n, T* panels) {
          kernels<T>().pack_b(k, n, bp + k0 * brs + j0 * bcs, brs, bcs, panels);
        },
        y.ptr<T>() + i * s.m * s.n, s.n, false, ep, workspace + worker * items);
  };
  if (batch_in_parallel(s))
    parallel_for(s.batch, work * s.batch, product);
  else
    for (int64_t i = 0; i < s.batch; ++i) product(i, 0);
}

}  // namespace

namespace ops {

int64_t matmul_workspace(const OpArgs& args) {
  const Shape s = shape_of(args);
  const DType t = args.out[0].dtype;
  const int64_t copies = batch_in_parallel(s) ? num_threads() : 1;
  return workspace_items(s, t) * copies * item_size(t);
}

void matmul(const OpArgs& args) {
  for_float(args.out[0].dtype, [&](auto* t) { run<std::remove_pointer_t<decltype(t)>>(args); });
}

// linear is matmul with its second argument (the weight) transposed.
namespace {
struct Transposed {
  View in[4];
  OpArgs args;
  explicit Transposed(const OpArgs& a) : args(a) {
    for (int i = 0; i < a.n_in; ++i) in[i] = a.in[i];
    std::swap(in[1].shape[0], in[1].shape[1]);
    std::swap(in[1].stride[0], in[1].stride[1]);
    args.in = in;
  }
};
}  // namespace

int64_t linear_workspace(const OpArgs& args) { return matmul_workspace(Transposed(args).args); }

void linear(const OpArgs& args) { matmul(Transposed(args).args); }

}  // namespace ops

}  // namespace nnf
