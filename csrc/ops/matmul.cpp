// y[..., m, n] = activation(alpha * sum_k a[..., m, k] b[..., k, n] + bias[n] + residual[m, n]),
// any strides in; leading dimensions broadcast. linear takes b transposed, as layers keep their
// weights, and alone has bias and residual.
#include <type_traits>
#include <utility>

#include "kernels/table.h"
#include "ops/attrs.h"
#include "ops/gemm_split.h"
#include "ops/registry.h"
#include "ops/strided.h"

namespace nnf {

namespace {

// Leading dimensions, of all products together.
int64_t batch_of(const OpArgs& args) {
  const View& y = args.out[0];
  int64_t batch = 1;
  for (int d = 0; d < y.ndim - 2; ++d) batch *= y.shape[d];
  return batch;
}

// A view without its last two dimensions.
View leading(const View& v) {
  View r = v;
  r.ndim -= 2;
  return r;
}

constexpr double kProductWork = 200;  // of a product of a batch, however small: see parallel_for

// Several products run side by side, each on one thread, where there are enough of them.
bool batch_in_parallel(int64_t batch) { return batch >= 2; }

// The second of two matrices, if it is another one.
template <class T>
const T* different(const T* here, const T* there) {
  return there == here ? nullptr : there;
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

// The first product of the batch.
template <class T>
MatrixProduct<T> first_product(const OpArgs& args) {
  const View &a = args.in[0], &b = args.in[1], &y = args.out[0];
  return {y.dim(-2),
          y.dim(-1),
          a.dim(-1),
          a.ptr<T>(),
          a.stride[a.ndim - 2],
          a.stride[a.ndim - 1],
          b.ptr<T>(),
          b.stride[b.ndim - 2],
          b.stride[b.ndim - 1],
          T(args.attributes<MatmulAttrs>().alpha),
          y.ptr<T>(),
          epilogue_of<T>(args),
          args.attributes<MatmulAttrs>().in_panels ? b.ptr<T>() : nullptr};
}

// Elements of workspace of one product.
template <class T>
int64_t product_items(const OpArgs& args) {
  const int workers = batch_in_parallel(batch_of(args)) ? 1 : num_threads();
  return round_up(gemm_items(first_product<T>(args), workers), 16);
}

template <class T>
void run(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  const MatrixProduct<T> first = first_product<T>(args);
  if (args.out[0].ndim == 2) return gemm(first, static_cast<T*>(args.workspace));
  View lead[2] = {leading(args.in[0]), leading(args.in[1])}, out = leading(args.out[0]);
  const int64_t batch = out.size = batch_of(args), items = product_items<T>(args);
  const Walk w = make_walk(out, lead, 2);
  // Where the matrices of the product i begin.
  struct Begins {
    int64_t offset[kMaxWalk];
  };
  const auto at = [&](int64_t i) {
    const auto [row, column] = divide(i, w.inner);
    Begins b;
    walk_offsets(w, row, b.offset);
    for (int k = 0; k < 2; ++k) b.offset[k] += column * w.stride[k][w.ndim - 1];
    return b;
  };
  auto product = [&](int64_t i, int worker) {
    MatrixProduct<T> p = first;
    const Begins here = at(i);
    p.a += here.offset[0], p.b += here.offset[1];
    p.c += i * p.M * p.N;
    if (i + 1 < batch) {
      const Begins next = at(i + 1);
      p.a_after = different(p.a, first.a + next.offset[0]);
      p.b_after = different(p.b, first.b + next.offset[1]);
    }
    gemm(p, static_cast<T*>(args.workspace) + worker * items);
  };
  if (batch_in_parallel(batch))
    parallel_for(batch, (first.work() + kProductWork) * batch, product);
  else
    for (int64_t i = 0; i < batch; ++i) product(i, 0);
}

}  // namespace

namespace ops {

int64_t matmul_workspace(const OpArgs& args) {
  if (args.out[0].size == 0) return 0;
  const DType t = args.out[0].dtype;
  const int64_t copies = batch_in_parallel(batch_of(args)) ? num_threads() : 1;
  return (t == DType::f64 ? product_items<double>(args) : product_items<float>(args)) * copies *
         item_size(t);
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

void pack_linear(const OpArgs& args) {
  for_float(args.out[0].dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    const View& w = args.in[0];
    MatrixProduct<T> p{};
    p.K = w.shape[1], p.N = w.shape[0];
    p.b = w.ptr<T>(), p.brs = w.stride[1], p.bcs = w.stride[0];
    pack_all(p, args.out[0].ptr<T>());
  });
}

}  // namespace ops

}  // namespace nnf
