// Batch normalization: every channel by itself.
//   batch_norm_train:          (x, w?, b?) -> y, and mean, var and rstd of each channel
//   batch_norm_train_backward: (dy, x, mean, rstd, w?) -> dx, dw, db
//   batch_norm_eval:           (x, mean, var, w?, b?) -> y
//   batch_norm_update:         (mean, var) of a batch into (running_mean, running_var), in place
// x is seen as N x C x L elements. A channel's are N rows of L, or a column if L is 1. Sums over
// them are made of parts of fixed size, added in order and in double: their error does not grow
// with the batch, and the threads have no part in it.
#include <cmath>
#include <type_traits>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/attrs.h"
#include "ops/registry.h"

namespace nnf {

namespace {

constexpr int64_t kTaskItems = 8192;  // elements that a task covers, at least
constexpr int64_t kColumns = 64;      // channels of a task if L is 1: whole cache lines
constexpr int64_t kPart = 4096;       // elements of rows that are summed as they are
constexpr int64_t kPartRows = 64;     // rows of columns

int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

struct Channels {
  int64_t N, C, L = 1;

  explicit Channels(const View& x) : N(x.shape[0]), C(x.shape[1]) {
    for (int d = 2; d < x.ndim; ++d) L *= x.shape[d];
  }
  int64_t count() const { return N * L; }  // elements of a channel
};

// f(first channel, how many), in parallel.
template <class F>
void for_channels(const Channels& g, int passes, F&& f) {
  const int64_t few = ceil_div(kTaskItems, g.count());
  const int64_t step = g.L == 1 ? round_up(few, kColumns) : few;
  parallel_for(ceil_div(g.C, step), double(passes) * g.count() * g.C, [&](int64_t task, int) {
    const int64_t c = task * step;
    f(c, g.C - c < step ? g.C - c : step);
  });
}

// y[c] = sum over channel c, L > 1, of parts: part(offset in x, rows, elements of each).
template <class T, class F>
void sum_rows(const Channels& g, int64_t c, T* y, F&& part) {
  const int64_t rows = max(1, kPart / round_up(g.L, kPartRows));  // short rows fill few lanes
  double total = 0;
  for (int64_t n = 0; n < g.N; n += rows)
    for (int64_t l = 0; l < g.L; l += kPart)
      total += double(part((n * g.C + c) * g.L + l, min(rows, g.N - n), min(kPart, g.L - l)));
  y[c] = T(total);
}

// The same for `count` channels from c0, L = 1: part(offset in x, rows, columns, their sums).
template <class T, class F>
void sum_columns(const Channels& g, int64_t c0, int64_t count, T* y, F&& part) {
  for (int64_t c = c0; c < c0 + count; c += kColumns) {
    const int64_t columns = min(kColumns, c0 + count - c);
    double total[kColumns] = {};
    T sums[kColumns];
    for (int64_t n = 0; n < g.N; n += kPartRows) {
      part(n * g.C + c, min(kPartRows, g.N - n), columns, sums);
      for (int64_t j = 0; j < columns; ++j) total[j] += double(sums[j]);
    }
    for (int64_t j = 0; j < columns; ++j) y[c + j] = T(total[j]);
  }
}

// y[c] = sum of x over channel c, for `count` channels from c0.
template <class T>
void channel_sums(const Channels& g, int64_t c0, int64_t count, const T* x, T* y) {
  const auto& k = kernels<T>();
  if (g.L == 1)
    return sum_columns(g, c0, count, y, [&](int64_t at, int64_t rows, int64_t n, T* sums) {
      k.reduce_cols(Reduction::sum, rows, x + at, g.C, n, sums);
    });
  for (int64_t c = c0; c < c0 + count; ++c)
    sum_rows(g, c, y, [&](int64_t at, int64_t rows, int64_t n) {
      return k.reduce_rows(Reduction::sum, rows, x + at, g.C * g.L, n);
    });
}

// y[c] = sum of a (x - center[c]), or of (x - center[c])^2 if a is null.
template <class T>
void channel_dots(const Channels& g, int64_t c0, int64_t count, const T* a, const T* x,
                  const T* center, T* y) {
  const auto& k = kernels<T>();
  auto from = [&](int64_t at) { return a ? a + at : nullptr; };
  if (g.L == 1)
    return sum_columns(g, c0, count, y, [&](int64_t at, int64_t rows, int64_t n, T* sums) {
      k.centered_dot_cols(rows, from(at), x + at, g.C, n, center + at % g.C, sums);
    });
  for (int64_t c = c0; c < c0 + count; ++c)
    sum_rows(g, c, y, [&](int64_t at, int64_t rows, int64_t n) {
      return k.centered_dot_rows(rows, from(at), x + at, g.C * g.L, n, center[c]);
    });
}

// y = (x - center) scale + shift.
template <class T>
void normalize(const Channels& g, int64_t c0, int64_t count, const T* x, const T* center,
               const T* scale, const T* shift, T* y) {
  const auto& k = kernels<T>();
  if (g.L == 1)
    return k.normalize(g.N, x + c0, g.C, count, center + c0, scale + c0, shift + c0, 1, y + c0);
  for (int64_t c = c0; c < c0 + count; ++c)
    k.normalize(g.N, x + c * g.L, g.C * g.L, g.L, center + c, scale + c, shift + c, 0, y + c * g.L);
}

// Parameters that are made from others: `n` vectors of C values.
template <class T>
T* workspace(const OpArgs& args, const Channels& g, int n) {
  return static_cast<T*>(args.workspace) + n * round_up(g.C, 16);
}
int64_t workspace_bytes(const View& x, int n) {
  return n * round_up(x.shape[1], 16) * item_size(x.dtype);
}

template <class T>
void run_train(const OpArgs& args) {
  const Channels g(args.in[0]);
  const T *x = args.in[0].ptr<T>(), *w = args.in[1].ptr<T>(), *b = args.in[2].ptr<T>();
  T *y = args.out[0].ptr<T>(), *mean = args.out[1].ptr<T>(), *var = args.out[2].ptr<T>(),
    *rstd = args.out[3].ptr<T>();
  T *scale = workspace<T>(args, g, 0), *shift = workspace<T>(args, g, 1);
  const T n = T(g.count()), eps = T(args.attributes<BatchNormAttrs>().eps);
  for_channels(g, 3, [&](int64_t c0, int64_t count) {
    channel_sums(g, c0, count, x, mean);
    for (int64_t c = c0; c < c0 + count; ++c) mean[c] /= n;
    channel_dots<T>(g, c0, count, nullptr, x, mean, var);
    for (int64_t c = c0; c < c0 + count; ++c) {
      var[c] /= n;
      rstd[c] = 1 / std::sqrt(var[c] + eps);
      scale[c] = w ? w[c] * rstd[c] : rstd[c];
      shift[c] = b ? b[c] : T(0);
    }
    normalize(g, c0, count, x, mean, scale, shift, y);
  });
}

// dx = w rstd (dy - db / n - (x - mean) rstd dw / n), dw = rstd sum dy (x - mean), db = sum dy.
template <class T>
void run_train_backward(const OpArgs& args) {
  const Channels g(args.in[1]);
  const T *dy = args.in[0].ptr<T>(), *x = args.in[1].ptr<T>();
  const T *mean = args.in[2].ptr<T>(), *rstd = args.in[3].ptr<T>(), *w = args.in[4].ptr<T>();
  T *dx = args.out[0].ptr<T>(), *dw = args.out[1].ptr<T>(), *db = args.out[2].ptr<T>();
  T *scale = workspace<T>(args, g, 0), *shift = workspace<T>(args, g, 1);
  T* slope = workspace<T>(args, g, 2);
  const T n = T(g.count());
  const auto& k = kernels<T>();
  for_channels(g, 4, [&](int64_t c0, int64_t count) {
    channel_sums(g, c0, count, dy, db);
    channel_dots(g, c0, count, dy, x, mean, dw);
    for (int64_t c = c0; c < c0 + count; ++c) {
      dw[c] *= rstd[c];
      scale[c] = w ? w[c] * rstd[c] : rstd[c];
      shift[c] = db[c] / n;
      slope[c] = rstd[c] * (dw[c] / n);
    }
    if (g.L == 1)
      return k.normalize_backward(g.N, dy + c0, x + c0, g.C, count, mean + c0, scale + c0,
                                  shift + c0, slope + c0, 1, dx + c0);
    for (int64_t c = c0; c < c0 + count; ++c)
      k.normalize_backward(g.N, dy + c * g.L, x + c * g.L, g.C * g.L, g.L, mean + c, scale + c,
                           shift + c, slope + c, 0, dx + c * g.L);
  });
}

template <class T>
void run_eval(const OpArgs& args) {
  const Channels g(args.in[0]);
  const T *mean = args.in[1].ptr<T>(), *var = args.in[2].ptr<T>();
  const T *w = args.in[3].ptr<T>(), *b = args.in[4].ptr<T>();
  T *scale = workspace<T>(args, g, 0), *shift = workspace<T>(args, g, 1);
  const T eps = T(args.attributes<BatchNormAttrs>().eps);
  for_channels(g, 1, [&](int64_t c0, int64_t count) {
    for (int64_t c = c0; c < c0 + count; ++c) {
      scale[c] = (w ? w[c] : T(1)) / std::sqrt(var[c] + eps);
      shift[c] = b ? b[c] : T(0);
    }
    normalize(g, c0, count, args.in[0].ptr<T>(), mean, scale, shift, args.out[0].ptr<T>());
  });
}

// running = (1 - momentum) running + momentum value.
template <class T>
void run_update(const OpArgs& args) {
  const auto& a = args.attributes<RunningStatsAttrs>();
  const T keep = T(1 - a.momentum), take = T(a.momentum), unbias = T(a.unbias);
  T *mean = args.out[0].ptr<T>(), *var = args.out[1].ptr<T>();
  const T *batch_mean = args.in[2].ptr<T>(), *batch_var = args.in[3].ptr<T>();
  for (int64_t c = 0; c < args.out[0].size; ++c) {
    mean[c] = keep * mean[c] + take * batch_mean[c];
    var[c] = keep * var[c] + take * (batch_var[c] * unbias);
  }
}

}  // namespace

namespace ops {

int64_t batch_norm_train_workspace(const OpArgs& args) { return workspace_bytes(args.in[0], 2); }

void batch_norm_train(const OpArgs& args) {
  if (args.in[0].size == 0) return;
  for_float(args.in[0].dtype,
            [&](auto* t) { run_train<std::remove_pointer_t<decltype(t)>>(args); });
}

int64_t batch_norm_train_backward_workspace(const OpArgs& args) {
  return workspace_bytes(args.in[1], 3);
}

void batch_norm_train_backward(const OpArgs& args) {
  for_float(args.in[1].dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    if (args.in[1].size > 0) return run_train_backward<T>(args);
    for (int64_t c = 0; c < args.out[1].size; ++c) args.out[1].ptr<T>()[c] = 0;
    for (int64_t c = 0; c < args.out[2].size; ++c) args.out[2].ptr<T>()[c] = 0;
  });
}

int64_t batch_norm_eval_workspace(const OpArgs& args) { return workspace_bytes(args.in[0], 2); }

void batch_norm_eval(const OpArgs& args) {
  if (args.in[0].size == 0) return;
  for_float(args.in[0].dtype, [&](auto* t) { run_eval<std::remove_pointer_t<decltype(t)>>(args); });
}

void batch_norm_update(const OpArgs& args) {
  for_float(args.out[0].dtype,
            [&](auto* t) { run_update<std::remove_pointer_t<decltype(t)>>(args); });
}

}  // namespace ops

}  // namespace nnf
