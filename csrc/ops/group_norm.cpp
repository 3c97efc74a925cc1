// Group normalization: the channels of an example in groups, every group by itself.
//   group_norm:          (x, w?, b?) -> y, and mean and rstd of each group
//   group_norm_backward: (dy, x, mean, rstd, w?) -> dx, dw, db
// x is seen as N x G x D x L elements: G groups of D channels. Sums are taken of parts of fixed
// size, which are added in order and in double.
#include <cmath>
#include <type_traits>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/attrs.h"
#include "ops/past_caches.h"
#include "ops/registry.h"

namespace nnf {

namespace {

constexpr int64_t kTaskItems = 16384;  // elements that a task covers, at least
constexpr int64_t kPart = 4096;        // elements that are summed as they are
constexpr int64_t kChannels = 64;      // whose parameters are laid out together

struct Groups {
  int64_t N, G, D, L = 1;

  Groups(const View& x, int64_t groups) : N(x.shape[0]), G(groups), D(x.shape[1] / groups) {
    for (int d = 2; d < x.ndim; ++d) L *= x.shape[d];
  }
  int64_t count() const { return N * G; }
  int64_t size() const { return D * L; }  // of a group
};

// Calls f(group) for all groups of all examples, in parallel.
template <class F>
void for_groups(const Groups& g, double cost, F&& f) {
  const int64_t step = ceil_div(kTaskItems, g.size());
  parallel_for(ceil_div(g.count(), step), cost * g.count() * g.size(), [&](int64_t task, int) {
    for (int64_t i = task * step; i < least(g.count(), (task + 1) * step); ++i) f(i);
  });
}

// The sum of f(first, elements) over the parts of n elements.
template <class F>
double sum_parts(int64_t n, F&& f) {
  double total = 0;
  for (int64_t i = 0; i < n; i += kPart) total += double(f(i, least(kPart, n - i)));
  return total;
}

template <class T>
double sum(int64_t n, const T* x) {
  return sum_parts(n, [=](int64_t i, int64_t k) {
    return kernels<T>().reduce_rows(Reduction::sum, 1, x + i, 0, k);
  });
}

// The sum of (x - center)^2.
template <class T>
double squares(int64_t n, const T* x, T center) {
  return sum_parts(n, [=](int64_t i, int64_t k) {
    return kernels<T>().centered_squares_rows(1, x + i, 0, k, center);
  });
}

// sums[0] = the sum of a, sums[1] = that of a (x - center).
template <class T>
void sum_and_dot(int64_t n, const T* a, const T* x, T center, double* sums) {
  sums[0] = sums[1] = 0;
  for (int64_t i = 0; i < n; i += kPart) {
    T part[2];
    kernels<T>().sum_and_dot_rows(1, a + i, x + i, 0, least(kPart, n - i), center, nullptr, part);
    sums[0] += double(part[0]), sums[1] += double(part[1]);
  }
}

template <class T>
void run_forward(const OpArgs& args) {
  const auto& a = args.attributes<GroupNormAttrs>();
  const Groups g(args.in[0], a.groups);
  const T *w = args.in[1].ptr<T>(), *b = args.in[2].ptr<T>();
  const bool past = past_caches(args);
  for_groups(g, 3, [&](int64_t i) {
    const T* x = args.in[0].ptr<T>() + i * g.size();
    T* y = args.out[0].ptr<T>() + i * g.size();
    const double n = double(g.size());
    const T mean = T(sum(g.size(), x) / n);
    const T rstd = T(1 / std::sqrt(squares(g.size(), x, mean) / n + a.eps));
    args.out[1].ptr<T>()[i] = mean, args.out[2].ptr<T>()[i] = rstd;
    T center[kChannels], scale[kChannels], shift[kChannels];
    for (int64_t c = 0; c < g.D; c += kChannels) {
      const int64_t channels = least(kChannels, g.D - c), first = i % g.G * g.D + c;
      for (int64_t j = 0; j < channels; ++j) {
        center[j] = mean, scale[j] = w ? w[first + j] * rstd : rstd;
        shift[j] = b ? b[first + j] : T(0);
      }
      kernels<T>().normalize(channels, x + c * g.L, g.L, g.L, center, scale, shift, false, nullptr,
                             false, y + c * g.L, past);
    }
  });
}

// With g = dy w and z = x - mean over a group of n elements:
// dx = rstd (g - sum g / n - z rstd^2 sum g z / n), dw = sum dy z rstd, db = sum dy.
template <class T>
void run_backward(const OpArgs& args) {
  const Groups g(args.in[1], args.attributes<GroupNormAttrs>().groups);
  const T *mean = args.in[2].ptr<T>(), *rstd = args.in[3].ptr<T>(), *w = args.in[4].ptr<T>();
  const bool past = past_caches(args);
  const auto& kn = kernels<T>();
  double* sums = static_cast<double*>(args.workspace);  // of each channel: of dy and of dy z
  for_groups(g, 5, [&](int64_t i) {
    const int64_t at = i * g.size(), first = i % g.G * g.D;
    const T *dy = args.in[0].ptr<T>() + at, *x = args.in[1].ptr<T>() + at;
    T* dx = args.out[0].ptr<T>() + at;
    double total = 0, dots = 0;
    for (int64_t c = 0; c < g.D; ++c) {
      double* s = sums + 2 * (i * g.D + c);
      sum_and_dot(g.L, dy + c * g.L, x + c * g.L, mean[i], s);
      const double factor = w ? double(w[first + c]) : 1;
      total += factor * s[0], dots += factor * s[1];
    }
    const double n = double(g.size()), r = double(rstd[i]);
    T center[kChannels], scale[kChannels], shift[kChannels], slope[kChannels];
    for (int64_t j = 0; j < least(kChannels, g.D); ++j) {
      center[j] = mean[i], scale[j] = rstd[i];
      shift[j] = T(total / n), slope[j] = T(dots / n * r * r);
    }
    for (int64_t c = 0; c < g.D; c += kChannels)
      kn.normalize_backward(least(kChannels, g.D - c), dy + c * g.L, x + c * g.L, g.L, g.L,
                            w ? w + first + c : nullptr, center, scale, shift, slope, nullptr,
                            false, dx + c * g.L, past);
  });
  const int64_t C = g.G * g.D;
  parallel_for(C, 2.0 * double(g.N) * double(C), [&](int64_t c, int) {
    double total = 0, dots = 0;
    for (int64_t n = 0; n < g.N; ++n) {
      const double* s = sums + 2 * (n * C + c);
      total += s[0], dots += s[1] * double(rstd[n * g.G + c / g.D]);
    }
    args.out[1].ptr<T>()[c] = T(dots), args.out[2].ptr<T>()[c] = T(total);
  });
}

}  // namespace

namespace ops {

void group_norm(const OpArgs& args) {
  if (args.in[0].size == 0) return;
  for_float(args.in[0].dtype,
            [&](auto* t) { run_forward<std::remove_pointer_t<decltype(t)>>(args); });
}

int64_t group_norm_backward_workspace(const OpArgs& args) {
  return 2 * args.in[1].shape[0] * args.in[1].shape[1] * int64_t(sizeof(double));
}

void group_norm_backward(const OpArgs& args) {
  for_float(args.in[1].dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    if (args.in[1].size > 0) return run_backward<T>(args);
    for (int k = 1; k < 3; ++k)
      for (int64_t c = 0; c < args.out[k].size; ++c) args.out[k].ptr<T>()[c] = 0;
  });
}

}  // namespace ops

}  // namespace nnf
