// Batch normalization.
//   batch_norm_train:          (x, w?, b?, residual?) -> y, and mean, var and rstd of each channel
//   batch_norm_train_backward: (dy, x, mean, rstd, w?, b?) -> dx, dw, db; b if relu followed, not
//                              after a residual: what relu was given is computed again
//   batch_norm_eval:           (x, mean, var, w?, b?) -> y
//   batch_norm_update:         (mean, var) of a batch into (running_mean, running_var), in place
// x is seen as N x C x L elements. A channel is cut, by shape alone, into chunks whose sums are
// taken in the order of memory, so that x is read once, and added in order and in double: the
// error does not grow with the batch, and the threads have no part in it. The variance is that of
// each chunk about its own mean, and that of the means (Chan, Golub and LeVeque, Updating formulae
// and a pairwise algorithm for computing sample variances, 1979).
#include <cmath>
#include <type_traits>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/attrs.h"
#include "ops/past_caches.h"
#include "ops/registry.h"

namespace nnf {

namespace {

constexpr int64_t kTaskItems = 16384;  // elements that a task covers, about
constexpr int64_t kNarrow = 64;        // a channel with shorter rows is summed by columns
constexpr int64_t kFewImages = 8;      // but not if there are fewer of them
constexpr int64_t kColumns = 1024;     // of a chunk
constexpr int64_t kPartRows = 64;      // rows of them
constexpr int64_t kPart = 4096;        // elements of a row in a chunk, at most
constexpr int64_t kShortPart = 1024;   // of several short rows

// Part of `channels` channels: `rows` images from n on, `length` elements of each from l on.
struct Chunk {
  int64_t index, n, rows, l, length, c, channels;

  double size() const { return double(rows * length); }  // elements of a channel
};

struct Channels {
  int64_t N, C, L = 1;
  bool narrow;
  int64_t images, length;  // of a chunk
  int64_t along, chunks;   // chunks of a row, of a channel
  int64_t group, groups;   // channels of a chunk

  explicit Channels(const View& x) : N(x.shape[0]), C(x.shape[1]) {
    for (int d = 2; d < x.ndim; ++d) L *= x.shape[d];
    narrow = L == 1 || (L < kNarrow && N >= kFewImages);
    images = narrow ? kPartRows : most(1, kShortPart / most(L, 1));
    length = least(L, kPart);
    along = ceil_div(L, most(length, 1));
    chunks = ceil_div(N, images) * along;
    group = narrow ? most(1, kColumns / most(L, 1)) : most(1, kTaskItems / (images * length));
    groups = ceil_div(C, group);
  }
  int64_t row() const { return C * L; }
  double count() const { return double(N * L); }  // elements of a channel
  Chunk chunk(int64_t k) const {
    const int64_t part = along == 1 ? 0 : k % along;
    const int64_t n = (along == 1 ? k : k / along) * images, l = part * length;
    return {k, n, least(images, N - n), l, least(length, L - l), 0, 0};
  }
};

// Calls f(chunk) for all chunks, in the order of memory, in parallel.
template <class F>
void for_chunks(const Channels& g, double cost, F&& f) {
  const int64_t units = g.chunks * g.groups;
  const int64_t step = ceil_div(kTaskItems, least(g.images, g.N) * g.length * least(g.group, g.C));
  parallel_for(ceil_div(units, step), cost * g.count() * double(g.C), [&](int64_t task, int) {
    for (int64_t u = task * step; u < least(units, (task + 1) * step); ++u) {
      Chunk k = g.chunk(u / g.groups);
      k.c = u % g.groups * g.group, k.channels = least(g.group, g.C - k.c);
      f(k);
    }
  });
}

// Lines of a chunk of columns, in the order of memory: the sums below walk it column by column,
// which the processor does not foresee.
template <class T>
void prefetch(const Channels& g, const Chunk& k, const T* x) {
  constexpr int64_t line = 64 / sizeof(T);
  for (int64_t r = 0; r < k.rows; ++r)
    for (int64_t i = 0; i < k.channels * g.L; i += line)
      __builtin_prefetch(x + r * g.row() + i, 0, 2);
}

// sums[i] = the sum of x over channel k.c + i in chunk k.
template <class T>
void chunk_sums(const Channels& g, const Chunk& k, const T* x, T* sums) {
  const auto& kn = kernels<T>();
  x += (k.n * g.C + k.c) * g.L + k.l;
  if (g.narrow) {
    T columns[kColumns];
    prefetch(g, k, x);
    kn.reduce_cols(Reduction::sum, k.rows, x, g.row(), k.channels * g.L, g.L > 1 ? columns : sums);
    if (g.L > 1) kn.reduce_each(Reduction::sum, k.channels, g.L, g.L, columns, sums);
    return;
  }
  for (int64_t i = 0; i < k.channels; ++i)
    sums[i] = kn.reduce_rows(Reduction::sum, k.rows, x + i * g.L, g.row(), k.length);
}

// dots[i] = the sum of a (x - center[i]), or of (x - center[i])^2 if a is null; of narrow channels.
template <class T>
void narrow_dots(const Channels& g, const Chunk& k, const T* a, const T* x, const T* center,
                 T* dots) {
  const auto& kn = kernels<T>();
  T columns[kColumns], centers[kColumns];
  for (int64_t i = 0; g.L > 1 && i < k.channels; ++i)
    for (int64_t l = 0; l < g.L; ++l) centers[i * g.L + l] = center[i];
  kn.centered_dot_cols(k.rows, a, x, g.row(), k.channels * g.L, g.L > 1 ? centers : center,
                       g.L > 1 ? columns : dots);
  if (g.L > 1) kn.reduce_each(Reduction::sum, k.channels, g.L, g.L, columns, dots);
}

// squares[i] = the sum of (x - center[i])^2.
template <class T>
void chunk_squares(const Channels& g, const Chunk& k, const T* x, const T* center, T* squares) {
  x += (k.n * g.C + k.c) * g.L + k.l;
  if (g.narrow) return narrow_dots<T>(g, k, nullptr, x, center, squares);
  for (int64_t i = 0; i < k.channels; ++i)
    squares[i] =
        kernels<T>().centered_squares_rows(k.rows, x + i * g.L, g.row(), k.length, center[i]);
}

// Of a batch norm whose results go through relu: what they are made with.
template <class T>
struct Relu {
  const T *rstd, *w, *b;  // w and b may be null
  bool on;

  T scale(int64_t c) const { return w ? w[c] * rstd[c] : rstd[c]; }
  T bias(int64_t c) const { return b ? b[c] : T(0); }
};

// sums[i] = the sum of a, dots[i] = that of a (x - center[i]); of what relu lets pass of a.
template <class T>
void chunk_sums_and_dots(const Channels& g, const Chunk& k, const T* a, const T* x, const T* center,
                         const Relu<T>& relu, T* sums, T* dots) {
  if (g.narrow) chunk_sums(g, k, a, sums);
  const int64_t at = (k.n * g.C + k.c) * g.L + k.l;
  a += at, x += at;
  if (g.narrow) return narrow_dots(g, k, a, x, center, dots);
  for (int64_t i = 0; i < k.channels; ++i) {
    const T line[2] = {relu.scale(k.c + i), relu.bias(k.c + i)};
    T both[2];
    kernels<T>().sum_and_dot_rows(k.rows, a + i * g.L, x + i * g.L, g.row(), k.length, center[i],
                                  relu.on ? line : nullptr, both);
    sums[i] = both[0], dots[i] = both[1];
  }
}

// Two sums of each channel and chunk.
struct Parts {
  double* memory;
  int64_t C;

  double* at(int64_t chunk, int64_t c) const { return memory + 2 * (chunk * C + c); }
  template <class T>
  void put(const Chunk& k, const T* first, const T* second) const {
    double* p = at(k.index, k.c);
    for (int64_t i = 0; i < k.channels; ++i) p[2 * i] = first[i], p[2 * i + 1] = second[i];
  }
};

// What normalizing makes of x: y = (x - center) scale + shift, dx = (dy - shift - (x - center)
// slope) scale. One value a channel, or one a column of `narrow` images. bias: see Relu.
template <class T>
struct Parameters {
  const Channels& g;
  T *center, *scale, *shift, *slope, *bias;

  Parameters(const OpArgs& args, const Channels& g) : g(g) {
    T* memory = reinterpret_cast<T*>(static_cast<char*>(args.workspace) + parts_bytes(g));
    center = memory, scale = center + size(g), shift = scale + size(g), slope = shift + size(g);
    bias = slope + size(g);
  }
  static int64_t size(const Channels& g) { return round_up(g.narrow ? g.row() : g.C, 16); }
  static int64_t parts_bytes(const Channels& g) {
    return round_up(g.chunks * g.C * 2 * int64_t(sizeof(double)), 64);
  }
  void set(int64_t c, T center_, T scale_, T shift_, T slope_ = 0, T bias_ = 0) {
    const int64_t n = g.narrow ? g.L : 1;
    for (int64_t i = c * n; i < (c + 1) * n; ++i)
      center[i] = center_, scale[i] = scale_, shift[i] = shift_, slope[i] = slope_, bias[i] = bias_;
  }
};

int64_t workspace_bytes(const View& x) {
  if (x.size == 0) return 0;
  const Channels g(x);
  return Parameters<double>::parts_bytes(g) + 5 * Parameters<double>::size(g) * item_size(x.dtype);
}

// Calls f(rows, n, offset in x, offset of the parameters) for blocks of x, in parallel: rows of n
// elements with a parameter each, or, if channels are narrow, one for each column.
template <class F>
void for_blocks(const Channels& g, double cost, F&& f) {
  const int64_t rows = g.narrow ? g.N : g.N * g.C, width = g.narrow ? g.row() : g.L;
  const int64_t n = least(width, kTaskItems), across = ceil_div(width, n), step = kTaskItems / n;
  parallel_for(ceil_div(rows, step) * across, cost * rows * width, [&](int64_t task, int) {
    const int64_t j = task % across * n, end = least(rows, (task / across + 1) * step);
    for (int64_t r = task / across * step; r < end;) {
      const int64_t c = g.narrow ? 0 : r % g.C,
                    count = g.narrow ? end - r : least(end - r, g.C - c);
      f(count, least(n, width - j), width, r * width + j, g.narrow ? j : c);
      r += count;
    }
  });
}

template <class T>
void normalize(const OpArgs& args, const Channels& g, const Parameters<T>& p,
               const T* residual = nullptr, bool relu = false) {
  const bool past = past_caches(args);
  const T* x = args.in[0].ptr<T>();
  T* y = args.out[0].ptr<T>();
  for_blocks(g, 1, [&](int64_t rows, int64_t n, int64_t stride, int64_t at, int64_t c) {
    kernels<T>().normalize(rows, x + at, stride, n, p.center + c, p.scale + c, p.shift + c,
                           g.narrow, residual ? residual + at : nullptr, relu, y + at, past);
  });
}

template <class T>
void run_train(const OpArgs& args) {
  const Channels g(args.in[0]);
  const T *x = args.in[0].ptr<T>(), *w = args.in[1].ptr<T>(), *b = args.in[2].ptr<T>();
  T *mean = args.out[1].ptr<T>(), *var = args.out[2].ptr<T>(), *rstd = args.out[3].ptr<T>();
  const Parts parts{static_cast<double*>(args.workspace), g.C};
  for_chunks(g, 2, [&](const Chunk& k) {
    T sums[kColumns], squares[kColumns], means[kColumns];
    chunk_sums(g, k, x, sums);
    for (int64_t i = 0; i < k.channels; ++i) means[i] = T(double(sums[i]) / k.size());
    chunk_squares(g, k, x, means, squares);
    parts.put(k, sums, squares);
  });
  Parameters<T> p(args, g);
  const auto& attrs = args.attributes<BatchNormAttrs>();
  const T eps = T(attrs.eps);
  parallel_for(g.C, 4.0 * g.chunks * g.C, [&](int64_t c, int) {
    double total = 0, squares = 0;
    for (int64_t k = 0; k < g.chunks; ++k) total += parts.at(k, c)[0];
    const double m = total / g.count();
    for (int64_t k = 0; k < g.chunks; ++k) {
      const double n = g.chunk(k).size(), d = parts.at(k, c)[0] / n - m;
      squares += parts.at(k, c)[1] + n * d * d;
    }
    mean[c] = T(m);
    var[c] = T(squares / g.count());
    rstd[c] = 1 / std::sqrt(var[c] + eps);
    p.set(c, mean[c], w ? w[c] * rstd[c] : rstd[c], b ? b[c] : T(0));
  });
  normalize(args, g, p, args.n_in > 3 ? args.in[3].ptr<T>() : nullptr, attrs.relu);
}

// dx = what relu lets pass of dy, of narrow channels.
template <class T>
void pass_narrow(const Channels& g, Parameters<T>& p, const Relu<T>& relu, const T* mean,
                 const T* dy, const T* x, T* dx) {
  for (int64_t c = 0; c < g.C; ++c) p.set(c, mean[c], relu.scale(c), relu.bias(c));
  const auto backward = kernels<T>().map[int(Map::relu_backward)];
  for_blocks(g, 2, [&](int64_t rows, int64_t n, int64_t stride, int64_t at, int64_t c) {
    kernels<T>().normalize(rows, x + at, stride, n, p.center + c, p.scale + c, p.shift + c, true,
                           nullptr, false, dx + at, false);
    for (int64_t i = 0; i < rows; ++i) {
      T* row = dx + at + i * stride;
      backward({n, dy + at + i * stride, row, nullptr, 1, 1, 0, row, {}});
    }
  });
}

// dx = w rstd (dy - db / n - (x - mean) rstd dw / n), dw = rstd sum dy (x - mean), db = sum dy.
template <class T>
void run_train_backward(const OpArgs& args) {
  const Channels g(args.in[1]);
  const T *dy = args.in[0].ptr<T>(), *x = args.in[1].ptr<T>();
  const T *mean = args.in[2].ptr<T>(), *rstd = args.in[3].ptr<T>(), *w = args.in[4].ptr<T>();
  T *dx = args.out[0].ptr<T>(), *dw = args.out[1].ptr<T>(), *db = args.out[2].ptr<T>();
  const bool after_relu = args.attributes<BatchNormAttrs>().relu;
  const Relu<T> relu{rstd, w, args.n_in > 5 ? args.in[5].ptr<T>() : nullptr,
                     after_relu && !g.narrow};
  Parameters<T> p(args, g);
  if (after_relu && g.narrow) pass_narrow(g, p, relu, mean, dy, x, dx), dy = dx;
  const Parts parts{static_cast<double*>(args.workspace), g.C};
  for_chunks(g, 2, [&](const Chunk& k) {
    T sums[kColumns], dots[kColumns];
    chunk_sums_and_dots(g, k, dy, x, mean + k.c, relu, sums, dots);
    parts.put(k, sums, dots);
  });
  const T n = T(g.count());
  parallel_for(g.C, 2.0 * g.chunks * g.C, [&](int64_t c, int) {
    double total = 0, dots = 0;
    for (int64_t k = 0; k < g.chunks; ++k) total += parts.at(k, c)[0], dots += parts.at(k, c)[1];
    db[c] = T(total);
    dw[c] = T(dots) * rstd[c];
    p.set(c, mean[c], relu.scale(c), db[c] / n, rstd[c] * (dw[c] / n), relu.bias(c));
  });
  const bool past = past_caches(args);
  for_blocks(g, 2, [&](int64_t rows, int64_t n, int64_t stride, int64_t at, int64_t c) {
    kernels<T>().normalize_backward(rows, dy + at, x + at, stride, n, nullptr, p.center + c,
                                    p.scale + c, p.shift + c, p.slope + c,
                                    relu.on ? p.bias + c : nullptr, g.narrow, dx + at, past);
  });
}

template <class T>
void run_eval(const OpArgs& args) {
  const Channels g(args.in[0]);
  const T *mean = args.in[1].ptr<T>(), *var = args.in[2].ptr<T>();
  const T *w = args.in[3].ptr<T>(), *b = args.in[4].ptr<T>();
  Parameters<T> p(args, g);
  const T eps = T(args.attributes<BatchNormAttrs>().eps);
  for (int64_t c = 0; c < g.C; ++c)
    p.set(c, mean[c], (w ? w[c] : T(1)) / std::sqrt(var[c] + eps), b ? b[c] : T(0));
  normalize(args, g, p);
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

int64_t batch_norm_train_workspace(const OpArgs& args) { return workspace_bytes(args.in[0]); }

void batch_norm_train(const OpArgs& args) {
  if (args.in[0].size == 0) return;
  for_float(args.in[0].dtype,
            [&](auto* t) { run_train<std::remove_pointer_t<decltype(t)>>(args); });
}

int64_t batch_norm_train_backward_workspace(const OpArgs& args) {
  return workspace_bytes(args.in[1]);
}

void batch_norm_train_backward(const OpArgs& args) {
  for_float(args.in[1].dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    if (args.in[1].size > 0) return run_train_backward<T>(args);
    for (int64_t c = 0; c < args.out[1].size; ++c) args.out[1].ptr<T>()[c] = 0;
    for (int64_t c = 0; c < args.out[2].size; ++c) args.out[2].ptr<T>()[c] = 0;
  });
}

int64_t batch_norm_eval_workspace(const OpArgs& args) { return workspace_bytes(args.in[0]); }

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
