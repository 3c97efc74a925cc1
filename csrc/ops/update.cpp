// Updates of parameters. The outputs are inputs too, changed in place; hyper is a float64 vector
// (see table.h), an input so that a plan can change it.
#include <cmath>
#include <cstring>
#include <type_traits>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/registry.h"

namespace nnf {

namespace {

constexpr int64_t kUpdateBlock = 16384;  // elements of a task

// Calls f(first element, elements), in parallel.
template <class F>
void for_blocks(int64_t n, double cost, F&& f) {
  parallel_for(ceil_div(n, kUpdateBlock), double(n) * cost, [&](int64_t task, int) {
    const int64_t i = task * kUpdateBlock;
    f(i, n - i < kUpdateBlock ? n - i : kUpdateBlock);
  });
}

template <class T>
T* at(const View& v, int64_t i) {
  return v ? v.ptr<T>() + i : nullptr;
}

// Inputs: param, grad, hyper, momentum buffer (may be absent).
template <class T>
void run_sgd(const OpArgs& args) {
  const View *in = args.in, &param = args.out[0];
  const SgdHyper& hyper = *in[2].ptr<SgdHyper>();
  for_blocks(param.size, 3, [&](int64_t i, int64_t n) {
    kernels<T>().sgd_update(n, at<T>(param, i), at<T>(in[1], i), at<T>(in[3], i), hyper);
  });
}

// Inputs: param, grad, mean of the gradient, mean of its square, number of steps so far, hyper,
// largest mean of the square (may be absent).
template <class T>
void run_adam(const OpArgs& args) {
  const View *in = args.in, &param = args.out[0];
  AdamHyper h{};
  std::memcpy(&h, in[5].data, sizeof(double) * 7);
  const double step = double(++*in[4].ptr<int64_t>());
  h.bias_correction1 = 1 - std::pow(h.beta1, step);
  h.bias_correction2 = 1 - std::pow(h.beta2, step);
  for_blocks(param.size, 8, [&](int64_t i, int64_t n) {
    kernels<T>().adam_update(n, at<T>(param, i), at<T>(in[1], i), at<T>(in[2], i), at<T>(in[3], i),
                             at<T>(in[6], i), h);
  });
}

}  // namespace

namespace ops {

void sgd_update(const OpArgs& args) {
  for_float(args.out[0].dtype, [&](auto* t) { run_sgd<std::remove_pointer_t<decltype(t)>>(args); });
}

void adam_update(const OpArgs& args) {
  for_float(args.out[0].dtype,
            [&](auto* t) { run_adam<std::remove_pointer_t<decltype(t)>>(args); });
}

}  // namespace ops

}  // namespace nnf
