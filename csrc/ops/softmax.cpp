// Softmax over one dimension, and losses of class numbers.
//   softmax, log_softmax:           (x) -> y
//   softmax_backward, log_...:      (dy, y) -> dx
//   softmax_cross_entropy:          (x, target) -> loss, peak and total of each problem, count
//   softmax_cross_entropy_backward: (dy, x, target, peak, total, count) -> dx
//   nll:          (x, target) -> loss, count: -x at the target's class
//   nll_backward: (dy, target, count) -> dx
// x is seen as outer x n x inner elements: a problem is a column of n, and a row if inner is 1.
#include <cstring>
#include <type_traits>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/attrs.h"
#include "ops/past_caches.h"
#include "ops/registry.h"

namespace nnf {

namespace {

constexpr int64_t kTaskItems = 4096;        // elements that a task covers, at least
constexpr int64_t kColumns = 64;            // problems side by side in a task: whole cache lines
constexpr double kExp = 1.5, kPlain = 0.5;  // work of an element, with an exponential or without

struct Problems {
  int64_t outer = 1, n = 1, inner = 1;

  Problems(const View& x, int64_t dim) {
    for (int d = 0; d < x.ndim; ++d) (d < dim ? outer : d == dim ? n : inner) *= x.shape[d];
  }
};

// f(problems, offset of their first element, number of the first problem), in parallel.
template <class F>
void for_blocks(const Problems& p, double cost, F&& f) {
  const int64_t width = p.inner < kColumns ? p.inner : kColumns;
  const int64_t across = ceil_div(p.inner, width), blocks = p.outer * across;
  const int64_t step = ceil_div(kTaskItems, p.n * width);
  parallel_for(ceil_div(blocks, step), cost * p.outer * p.n * p.inner, [&](int64_t task, int) {
    const int64_t begin = task * step, end = begin + step < blocks ? begin + step : blocks;
    if (p.inner == 1) return f(end - begin, begin * p.n, begin);
    for (int64_t b = begin; b < end; ++b) {
      const int64_t o = b / across, j = b % across * width;
      f(p.inner - j < width ? p.inner - j : width, o * p.n * p.inner + j, o * p.inner + j);
    }
  });
}

void run_softmax(const OpArgs& args, bool as_log) {
  const View &x = args.in[0], &y = args.out[0];
  if (y.size == 0) return;
  const Problems p(x, args.attributes<SoftmaxAttrs>().dim);
  const bool past = past_caches(args);
  for_float(y.dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    const auto kernel = as_log ? kernels<T>().log_softmax : kernels<T>().softmax;
    for_blocks(p, kExp, [&](int64_t count, int64_t at, int64_t) {
      kernel(count, p.n, p.inner, x.ptr<T>() + at, y.ptr<T>() + at, past);
    });
  });
}

void run_softmax_backward(const OpArgs& args, bool as_log) {
  const View &dy = args.in[0], &y = args.in[1], &dx = args.out[0];
  if (dx.size == 0) return;
  const Problems p(y, args.attributes<SoftmaxAttrs>().dim);
  // Between exponentials the processor sees few of the loads to come; such stores hold them up.
  const bool past = !as_log && past_caches(args);
  for_float(dx.dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    for_blocks(p, as_log ? kExp : kPlain, [&](int64_t count, int64_t at, int64_t) {
      kernels<T>().softmax_backward(as_log, count, p.n, p.inner, dy.ptr<T>() + at, y.ptr<T>() + at,
                                    dx.ptr<T>() + at, past);
    });
  });
}

constexpr int kClasses = 1;      // the dimension of x along which classes stand
constexpr int64_t kPart = 4096;  // losses summed up before they join the total

template <class T>
T sum_losses(const T* loss, int64_t n) {
  double total = 0;
  for (int64_t i = 0; i < n; i += kPart)
    total +=
        kernels<T>().reduce_rows(Reduction::sum, 1, loss + i, 0, n - i < kPart ? n - i : kPart);
  return T(total);
}

// How many samples count; of those that do not, the loss is 0.
int64_t count_samples(const View& target, int64_t ignored) {
  int64_t counted = 0;
  for (int64_t i = 0; i < target.size; ++i) counted += target.ptr<int64_t>()[i] != ignored;
  return counted;
}

template <class T>
void run_cross_entropy(const OpArgs& args) {
  const View &x = args.in[0], &target = args.in[1];
  const auto& a = args.attributes<CrossEntropyAttrs>();
  const bool reduced = a.reduction != LossReduction::none;
  T* loss = reduced ? static_cast<T*>(args.workspace) : args.out[0].ptr<T>();
  if (x.size > 0) {
    const Problems p(x, kClasses);
    for_blocks(p, kExp, [&](int64_t count, int64_t at, int64_t i) {
      kernels<T>().cross_entropy(count, p.n, p.inner, x.ptr<T>() + at, target.ptr<int64_t>() + i,
                                 a.ignore_index, loss + i, args.out[1].ptr<T>() + i,
                                 args.out[2].ptr<T>() + i);
    });
  }
  const T counted = T(count_samples(target, a.ignore_index));
  *args.out[3].ptr<T>() = counted;
  if (!reduced) return;
  const T total = sum_losses(loss, target.size);
  *args.out[0].ptr<T>() = a.reduction == LossReduction::mean ? total / counted : total;
}

template <class T>
void run_cross_entropy_backward(const OpArgs& args) {
  const View &x = args.in[1], &target = args.in[2];
  const auto& a = args.attributes<CrossEntropyAttrs>();
  const T* dy = args.in[0].ptr<T>();
  if (a.reduction != LossReduction::none) {
    T* each = static_cast<T*>(args.workspace);
    const T value = a.reduction == LossReduction::mean ? *dy / *args.in[5].ptr<T>() : *dy;
    for (int64_t i = 0; i < target.size; ++i) each[i] = value;
    dy = each;
  }
  const Problems p(x, kClasses);
  for_blocks(p, kExp, [&](int64_t count, int64_t at, int64_t i) {
    kernels<T>().cross_entropy_backward(
        count, p.n, p.inner, dy + i, x.ptr<T>() + at, target.ptr<int64_t>() + i, a.ignore_index,
        args.in[3].ptr<T>() + i, args.in[4].ptr<T>() + i, args.out[0].ptr<T>() + at);
  });
}

// Calls f(sample, its element of x that the target chooses or -1), in parallel.
template <class F>
void for_chosen(const View& x, const View& target, int64_t ignored, F&& f) {
  const Problems p(x, kClasses);
  const int64_t* classes = target.ptr<int64_t>();
  parallel_for(ceil_div(target.size, kPart), double(target.size), [&](int64_t task, int) {
    for (int64_t i = task * kPart; i < least((task + 1) * kPart, target.size); ++i) {
      const bool counts = uint64_t(classes[i]) < uint64_t(p.n) && classes[i] != ignored;
      const Division at = divide(i, p.inner);
      f(i, counts ? (at.quotient * p.n + classes[i]) * p.inner + at.rest : -1);
    }
  });
}

template <class T>
void run_nll(const OpArgs& args) {
  const View &x = args.in[0], &target = args.in[1];
  const auto& a = args.attributes<CrossEntropyAttrs>();
  const bool reduced = a.reduction != LossReduction::none;
  T* loss = reduced ? static_cast<T*>(args.workspace) : args.out[0].ptr<T>();
  if (x.size > 0)
    for_chosen(x, target, a.ignore_index,
               [&](int64_t i, int64_t at) { loss[i] = at < 0 ? T(0) : -x.ptr<T>()[at]; });
  const T counted = T(count_samples(target, a.ignore_index));
  *args.out[1].ptr<T>() = counted;
  if (!reduced) return;
  const T total = sum_losses(loss, target.size);
  *args.out[0].ptr<T>() = a.reduction == LossReduction::mean ? total / counted : total;
}

template <class T>
void run_nll_backward(const OpArgs& args) {
  const View &target = args.in[1], &dx = args.out[0];
  const auto& a = args.attributes<CrossEntropyAttrs>();
  const T* dy = args.in[0].ptr<T>();
  const int64_t step = a.reduction == LossReduction::none;
  const T divisor = a.reduction == LossReduction::mean ? *args.in[2].ptr<T>() : T(1);
  std::memset(dx.data, 0, size_t(dx.size) * sizeof(T));
  for_chosen(dx, target, a.ignore_index, [&](int64_t i, int64_t at) {
    if (at >= 0) dx.ptr<T>()[at] = -dy[i * step] / divisor;
  });
}

}  // namespace

namespace ops {

// Losses of the samples, if they are summed up.
int64_t nll_workspace(const OpArgs& args) { return args.in[1].size * item_size(args.in[0].dtype); }

void nll(const OpArgs& args) {
  for_float(args.in[0].dtype, [&](auto* t) { run_nll<std::remove_pointer_t<decltype(t)>>(args); });
}

void nll_backward(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_float(args.out[0].dtype,
            [&](auto* t) { run_nll_backward<std::remove_pointer_t<decltype(t)>>(args); });
}

void softmax(const OpArgs& args) { run_softmax(args, false); }
void log_softmax(const OpArgs& args) { run_softmax(args, true); }
void softmax_backward(const OpArgs& args) { run_softmax_backward(args, false); }
void log_softmax_backward(const OpArgs& args) { run_softmax_backward(args, true); }

// Losses of the samples, if they are summed up.
int64_t softmax_cross_entropy_workspace(const OpArgs& args) {
  return args.in[1].size * item_size(args.in[0].dtype);
}

void softmax_cross_entropy(const OpArgs& args) {
  const View& x = args.in[0];
  for_float(x.dtype, [&](auto* t) { run_cross_entropy<std::remove_pointer_t<decltype(t)>>(args); });
}

// dy of the samples, if it is one for all.
int64_t softmax_cross_entropy_backward_workspace(const OpArgs& args) {
  return args.in[2].size * item_size(args.in[1].dtype);
}

void softmax_cross_entropy_backward(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_float(args.out[0].dtype,
            [&](auto* t) { run_cross_entropy_backward<std::remove_pointer_t<decltype(t)>>(args); });
}

}  // namespace ops

}  // namespace nnf
