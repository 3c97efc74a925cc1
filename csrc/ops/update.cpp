// Updates of parameters. The outputs are inputs too, changed in place; hyper is a float64 vector
// (see table.h), an input so that a plan can change it. One call may update many parameters: the
// inputs of one follow those of another.
#include <cmath>
#include <cstring>
#include <type_traits>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/registry.h"

namespace nnf {

namespace {

constexpr int64_t kUpdateBlock = 16384;  // elements of a task

// Calls f(number, first element, elements) for pieces of many parameters, in parallel: tasks are
// cut from all of them as if they lay one behind the other. `in` holds the inputs of one
// parameter after another, `arity` each, the parameter first.
template <class F>
void for_params(const View* in, int params, int arity, double cost, F&& f) {
  int64_t total = 0;
  for (int p = 0; p < params; ++p) total += in[p * arity].size;
  parallel_for(ceil_div(total, kUpdateBlock), double(total) * cost, [&](int64_t task, int) {
    int64_t begin = task * kUpdateBlock, left = kUpdateBlock;
    for (int p = 0; p < params && left > 0; ++p) {
      const int64_t size = in[p * arity].size;
      const int64_t n = size - begin < left ? size - begin : left;
      if (n > 0)
        f(p, begin, n), begin = 0, left -= n;
      else
        begin -= size;
    }
  });
}

// The last inputs of a single parameter may be left out.
int params_of(const OpArgs& args, int arity) { return args.n_in < arity ? 1 : args.n_in / arity; }

template <class T>
T* at(const View& v, int64_t i) {
  return v ? v.ptr<T>() + i : nullptr;
}

// Inputs of each: param, grad, hyper, momentum buffer (may be absent).
constexpr int kSgdInputs = 4;

template <class T>
void run_sgd(const OpArgs& args) {
  for_params(args.in, params_of(args, kSgdInputs), kSgdInputs, 3, [&](int p, int64_t i, int64_t n) {
    const View* in = args.in + p * kSgdInputs;
    kernels<T>().sgd_update(n, at<T>(in[0], i), at<T>(in[1], i), at<T>(in[3], i),
                            *in[2].ptr<SgdHyper>());
  });
}

// Inputs of each: param, grad, mean of the gradient, mean of its square, number of steps so far,
// hyper, largest mean of the square (may be absent).
constexpr int kAdamInputs = 7;

// Counts a step of every parameter; powers are taken anew only where they differ from the last.
void adam_hypers(const View* in, int params, AdamHyper* to) {
  int64_t last = -1;
  for (int p = 0; p < params; ++p, in += kAdamInputs, ++to) {
    const int64_t step = ++*in[4].ptr<int64_t>();
    if (p > 0 && step == last && in[5].data == in[5 - kAdamInputs].data) {
      *to = to[-1];
      continue;
    }
    std::memcpy(to, in[5].data, sizeof(double) * 7);
    to->bias_correction1 = 1 - std::pow(to->beta1, double(step));
    to->bias_correction2 = 1 - std::pow(to->beta2, double(step));
    last = step;
  }
}

template <class T>
void run_adam(const OpArgs& args) {
  const int params = params_of(args, kAdamInputs);
  auto* const hypers = static_cast<AdamHyper*>(args.workspace);
  adam_hypers(args.in, params, hypers);
  for_params(args.in, params, kAdamInputs, 8, [&](int p, int64_t i, int64_t n) {
    const View* in = args.in + p * kAdamInputs;
    kernels<T>().adam_update(n, at<T>(in[0], i), at<T>(in[1], i), at<T>(in[2], i), at<T>(in[3], i),
                             at<T>(in[6], i), hypers[p]);
  });
}

}  // namespace

namespace ops {

void sgd_update(const OpArgs& args) {
  for_float(args.out[0].dtype, [&](auto* t) { run_sgd<std::remove_pointer_t<decltype(t)>>(args); });
}

int64_t adam_update_workspace(const OpArgs& args) {
  return params_of(args, kAdamInputs) * int64_t(sizeof(AdamHyper));
}

void adam_update(const OpArgs& args) {
  for_float(args.out[0].dtype,
            [&](auto* t) { run_adam<std::remove_pointer_t<decltype(t)>>(args); });
}

}  // namespace ops

}  // namespace nnf
