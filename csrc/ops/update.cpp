// Updates of parameters. The outputs are inputs too, changed in place; hyper is a float64 vector
// (see table.h), an input so that a plan can change it. One call may update many parameters: the
// inputs of one follow those of another. The last two of SGD and Adam are a plan's own: `row`, if
// given, says that the gradient is a column times this row (nnfast/graph/outer.py), and `peak`, the
// largest of its elements, which is there to be looked at before.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/registry.h"

namespace nnf {

namespace {

// Calls f(number, first element, elements) for pieces of many parameters, in parallel. Each task
// has a part of every parameter, so that a worker has rows that lie together, as in the products
// that made the gradients. `in` holds the inputs of one parameter after another, `arity` each, the
// parameter first.
template <class F>
void for_params(const View* in, int params, int arity, double cost, F&& f) {
  constexpr int64_t kParts = 32, kLeast = 1024;
  int64_t total = 0, largest = 1;
  for (int p = 0; p < params; ++p) {
    total += in[p * arity].size;
    largest = most(largest, in[p * arity].size);
  }
  const int64_t parts = least(kParts, ceil_div(largest, kLeast));
  parallel_for(parts, double(total) * cost, [&](int64_t part, int) {
    for (int p = 0; p < params; ++p) {
      const int64_t size = in[p * arity].size;
      const auto from = [&](int64_t i) { return least(size, round_up(size * i / parts, kLeast)); };
      const int64_t begin = from(part), end = from(part + 1);
      if (begin < end) f(p, begin, end - begin);
    }
  });
}

// Calls f(gradient, first element, elements) for pieces of these n elements: all or, if the
// gradient is a column times a row, parts of its rows.
template <class T, class F>
void for_gradient(const View& grad, const View* row, int64_t first, int64_t n, F&& f) {
  if (!row || !*row) return f({grad.ptr<T>() + first, nullptr}, first, n);
  const int64_t N = row->size, end = first + n;
  for (int64_t at = first; at < end;) {
    const int64_t i = at / N, j = at % N, width = least(N - j, end - at);
    f({grad.ptr<T>() + i, row->ptr<T>() + j}, at, width);
    at += width;
  }
}

// The last inputs of a single parameter may be left out.
int params_of(const OpArgs& args, int arity) { return args.n_in < arity ? 1 : args.n_in / arity; }

template <class T>
T* at(const View& v, int64_t i) {
  return v ? v.ptr<T>() + i : nullptr;
}

// Input number k; null where it is left out.
const View* input(const OpArgs& args, int k) { return k < args.n_in ? args.in + k : nullptr; }

// Inputs of each: param, grad, hyper, momentum buffer (may be absent), row, peak.
constexpr int kSgdInputs = 6;

template <class T>
void run_sgd(const OpArgs& args) {
  for_params(args.in, params_of(args, kSgdInputs), kSgdInputs, 3, [&](int p, int64_t b, int64_t m) {
    const View *in = args.in + p * kSgdInputs, *row = input(args, p * kSgdInputs + 4);
    for_gradient<T>(in[1], row, b, m, [&](RowGradient<T> grad, int64_t i, int64_t n) {
      kernels<T>().sgd_update(n, at<T>(in[0], i), grad, at<T>(in[3], i), *in[2].ptr<SgdHyper>());
    });
  });
}

// Inputs of each: param, grad, mean of the gradient, mean of its square, number of steps so far,
// hyper, largest mean of the square (may be absent), row, peak.
constexpr int kAdamInputs = 9;

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
  for_params(args.in, params, kAdamInputs, 8, [&](int p, int64_t b, int64_t m) {
    const View *in = args.in + p * kAdamInputs, *row = input(args, p * kAdamInputs + 7);
    for_gradient<T>(in[1], row, b, m, [&](RowGradient<T> grad, int64_t i, int64_t n) {
      kernels<T>().adam_update(n, at<T>(in[0], i), grad, at<T>(in[2], i), at<T>(in[3], i),
                               at<T>(in[6], i), hypers[p]);
    });
  });
}

// The largest magnitude; NaN if there is one.
template <class T>
T peak(const View& x) {
  const auto reduce = kernels<T>().reduce_rows;
  const T high = reduce(Reduction::max, 1, x.ptr<T>(), x.size, x.size);
  const T low = reduce(Reduction::min, 1, x.ptr<T>(), x.size, x.size);
  return high > -low ? high : -low;
}

// The hyper-parameters of the updates below.
struct AdagradHyper {
  double lr, lr_decay, eps, weight_decay, maximize;
};
struct AdadeltaHyper {
  double lr, rho, eps, weight_decay, maximize;
};
struct RmspropHyper {
  double lr, alpha, eps, weight_decay, momentum, maximize;
};
struct AdamaxHyper {
  double lr, beta1, beta2, eps, weight_decay, maximize;
};
struct NadamHyper {
  double lr, beta1, beta2, eps, weight_decay, momentum_decay, decoupled, maximize;
};
struct RadamHyper {
  double lr, beta1, beta2, eps, weight_decay, decoupled, maximize;
};
struct RpropHyper {
  double etaminus, etaplus, low, high, maximize;
};
struct AsgdHyper {
  double lr, lambd, alpha, t0, weight_decay, maximize;
};

template <class Hyper>
const Hyper& hyper_of(const View* in) {
  return *in[2].ptr<const Hyper>();
}

// Counts one more step of a parameter and answers its number.
double next_step(const View* in) { return double(++*in[3].ptr<int64_t>()); }

// Those that all have; a decoupled weight decay shrinks the parameter by itself.
UpdateRates rates_of(double maximize, double weight_decay, double shrink_by = 0) {
  UpdateRates r;
  r.sign = maximize != 0 ? -1 : 1;
  r.decay = shrink_by != 0 ? 0 : weight_decay;
  r.shrink = 1 - shrink_by;
  return r;
}

UpdateRates adagrad_rates(const View* in) {
  const auto& h = hyper_of<AdagradHyper>(in);
  UpdateRates r = rates_of(h.maximize, h.weight_decay);
  r.lr = h.lr / (1 + (next_step(in) - 1) * h.lr_decay);
  r.eps = h.eps;
  return r;
}

UpdateRates adadelta_rates(const View* in) {
  const auto& h = hyper_of<AdadeltaHyper>(in);
  UpdateRates r = rates_of(h.maximize, h.weight_decay);
  next_step(in);
  r.lr = h.lr;
  r.beta2 = h.rho;
  r.eps = h.eps;
  return r;
}

UpdateRates rmsprop_rates(const View* in) {
  const auto& h = hyper_of<RmspropHyper>(in);
  UpdateRates r = rates_of(h.maximize, h.weight_decay);
  next_step(in);
  r.lr = h.lr;
  r.beta1 = h.momentum;
  r.beta2 = h.alpha;
  r.eps = h.eps;
  return r;
}

UpdateRates adamax_rates(const View* in) {
  const auto& h = hyper_of<AdamaxHyper>(in);
  UpdateRates r = rates_of(h.maximize, h.weight_decay);
  r.lr = h.lr / (1 - std::pow(h.beta1, next_step(in)));
  r.beta1 = h.beta1;
  r.beta2 = h.beta2;
  r.eps = h.eps;
  return r;
}

// The last input is the product of all mu so far.
UpdateRates nadam_rates(const View* in) {
  const auto& h = hyper_of<NadamHyper>(in);
  const double t = next_step(in);
  double& product = *in[6].ptr<double>();
  auto mu = [&](double step) {
    return h.beta1 * (1 - 0.5 * std::pow(0.96, step * h.momentum_decay));
  };
  product *= mu(t);
  const double root = std::sqrt(1 - std::pow(h.beta2, t));
  UpdateRates r = rates_of(h.maximize, h.weight_decay, h.decoupled * h.lr * h.weight_decay);
  r.lr = h.lr * root * mu(t + 1) / (1 - product * mu(t + 1));
  r.lr2 = h.lr * root * (1 - mu(t)) / (1 - product);
  r.beta1 = h.beta1;
  r.beta2 = h.beta2;
  r.eps = h.eps * root;
  return r;
}

UpdateRates radam_rates(const View* in) {
  const auto& h = hyper_of<RadamHyper>(in);
  const double t = next_step(in), power = std::pow(h.beta2, t);
  const double c1 = 1 - std::pow(h.beta1, t), c2 = 1 - power;
  const double most = 2 / (1 - h.beta2) - 1, length = most - 2 * t * power / c2;
  UpdateRates r = rates_of(h.maximize, h.weight_decay, h.decoupled * h.lr * h.weight_decay);
  if (length > 5)
    r.lr = h.lr / c1 *
           std::sqrt(c2 * (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length));
  else
    r.lr2 = h.lr / c1;
  r.beta1 = h.beta1;
  r.beta2 = h.beta2;
  r.eps = h.eps;
  return r;
}

UpdateRates rprop_rates(const View* in) {
  const auto& h = hyper_of<RpropHyper>(in);
  UpdateRates r = rates_of(h.maximize, 0);
  next_step(in);
  r.beta1 = h.etaminus;
  r.beta2 = h.etaplus;
  r.low = h.low;
  r.high = h.high;
  return r;
}

// The last inputs are the rates of param and of its mean in this step.
UpdateRates asgd_rates(const View* in) {
  const auto& h = hyper_of<AsgdHyper>(in);
  double &eta = *in[5].ptr<double>(), &mu = *in[6].ptr<double>();
  UpdateRates r = rates_of(h.maximize, h.weight_decay);
  r.shrink = 1 - h.lambd * eta;
  r.lr = eta;
  r.lr2 = mu;
  const double t = next_step(in);
  eta = h.lr / std::pow(1 + h.lambd * h.lr * t, h.alpha);
  mu = 1 / std::max(1.0, t - h.t0);
  return r;
}

// Inputs of each parameter: param, grad, hyper, number of steps so far, then `states` that the
// kernel changes, and what else rates_of_step looks at: `arity` in all.
template <class Rates, class Pick>
void run_update(const OpArgs& args, int arity, int states, Rates&& rates_of_step,
                Pick&& kernel_of) {
  const int params = params_of(args, arity);
  auto* const rates = static_cast<UpdateRates*>(args.workspace);
  for (int p = 0; p < params; ++p) rates[p] = rates_of_step(args.in + p * arity);
  for_float(args.out[0].dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    auto* kernel = kernel_of(kernels<T>());
    for_params(args.in, params, arity, 8, [&](int p, int64_t i, int64_t n) {
      const View* in = args.in + p * arity;
      UpdateArgs<T> u{n, at<T>(in[0], i), at<T>(in[1], i), {}, rates[p]};
      for (int k = 0; k < states; ++k)
        if (const View* state = input(args, p * arity + 4 + k)) u.state[k] = at<T>(*state, i);
      kernel(u);
    });
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

// The largest magnitude among the products of elements of two inputs, which is finite if they are.
void largest_product(const OpArgs& args) {
  for_float(args.out[0].dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    *args.out[0].ptr<T>() = peak<T>(args.in[0]) * peak<T>(args.in[1]);
  });
}

#define NNF_UPDATE(name, arity, states)                                                           \
  int64_t name##_update_workspace(const OpArgs& args) {                                           \
    return params_of(args, arity) * int64_t(sizeof(UpdateRates));                                 \
  }                                                                                               \
  void name##_update(const OpArgs& args) {                                                        \
    run_update(args, arity, states, name##_rates, [](const auto& k) { return k.name##_update; }); \
  }
NNF_UPDATE(adagrad, 5, 1)
NNF_UPDATE(adadelta, 6, 2)
NNF_UPDATE(rmsprop, 7, 3)
NNF_UPDATE(adamax, 6, 2)
NNF_UPDATE(nadam, 7, 2)
NNF_UPDATE(radam, 6, 2)
NNF_UPDATE(rprop, 6, 2)
NNF_UPDATE(asgd, 7, 1)
#undef NNF_UPDATE

}  // namespace ops

}  // namespace nnf
