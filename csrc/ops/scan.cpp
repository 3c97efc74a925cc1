// What adds up along a dimension. x is seen as outer x n x inner elements around it.
//   scan:          (x, a) -> y[j] = a[j] y[j - 1] + x[j]; a may be absent: 1. reverse: from the end
//   running_index: (x) -> where the largest (smallest) of the elements so far stands, the last of
//                  equals; once there is a NaN, the latest NaN
#include <type_traits>

#include "base/parallel.h"
#include "ops/attrs.h"
#include "ops/registry.h"

namespace nnf {

namespace {

constexpr int64_t kColumns = 64;      // of the inner dimensions, that a task carries along
constexpr int64_t kTogether = 8;      // lines whose elements are neighbours, so that no sum waits
constexpr int64_t kTaskItems = 8192;  // elements of a task of such lines, about

struct Lines {
  int64_t outer = 1, n = 1, inner = 1, strips;

  Lines(const View& x, int64_t dim) {
    for (int d = 0; d < x.ndim; ++d) (d < dim ? outer : d == dim ? n : inner) *= x.shape[d];
    strips = ceil_div(inner, kColumns);
  }
};

// Calls f(offset of the first element, columns), in parallel.
template <class F>
void for_lines(const Lines& s, F&& f) {
  parallel_for(s.outer * s.strips, double(s.outer * s.n * s.inner), [&](int64_t task, int) {
    const int64_t i = task % s.strips * kColumns;
    f(task / s.strips * s.n * s.inner + i, s.inner - i < kColumns ? s.inner - i : kColumns);
  });
}

// Sums of float32 are carried in float64; those of int64 wrap around.
template <class T>
using Carry = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;

// R lines of n elements that are neighbours, in step.
template <class T, int R>
void scan_lines(int64_t n, bool reverse, const T* x, const T* a, T* y) {
  Carry<T> carry[R] = {};
  for (int64_t j = 0; j < n; ++j) {
    const int64_t at = reverse ? n - 1 - j : j;
    for (int r = 0; r < R; ++r) {
      if (a && j > 0) carry[r] *= Carry<T>(a[r * n + at]);
      carry[r] += Carry<T>(x[r * n + at]);
      y[r * n + at] = T(carry[r]);
    }
  }
}

template <class T>
void run_lines(const Lines& s, bool reverse, const T* x, const T* a, T* y) {
  const int64_t step = round_up(ceil_div(kTaskItems, s.n), kTogether);
  parallel_for(ceil_div(s.outer, step), double(s.outer * s.n), [&](int64_t task, int) {
    const int64_t last = task * step + step < s.outer ? task * step + step : s.outer;
    int64_t r = task * step;
    for (; r + kTogether <= last; r += kTogether)
      scan_lines<T, kTogether>(s.n, reverse, x + r * s.n, a ? a + r * s.n : a, y + r * s.n);
    for (; r < last; ++r)
      scan_lines<T, 1>(s.n, reverse, x + r * s.n, a ? a + r * s.n : a, y + r * s.n);
  });
}

template <class T>
void run_scan(const OpArgs& args) {
  const auto& attrs = args.attributes<ScanAttrs>();
  const Lines s(args.out[0], attrs.dim);
  const T *x = args.in[0].ptr<T>(), *a = args.n_in > 1 ? args.in[1].ptr<T>() : nullptr;
  T* y = args.out[0].ptr<T>();
  if (s.inner == 1) return run_lines(s, attrs.reverse != 0, x, a, y);
  for_lines(s, [&](int64_t first, int64_t columns) {
    Carry<T> carry[kColumns] = {};
    for (int64_t j = 0; j < s.n; ++j) {
      const int64_t at = first + (attrs.reverse ? s.n - 1 - j : j) * s.inner;
      for (int64_t i = 0; i < columns; ++i) {
        if (a && j > 0) carry[i] *= Carry<T>(a[at + i]);
        carry[i] += Carry<T>(x[at + i]);
        y[at + i] = T(carry[i]);
      }
    }
  });
}

template <class T>
void run_running_index(const OpArgs& args) {
  const auto& attrs = args.attributes<RunningAttrs>();
  const Lines s(args.in[0], attrs.dim);
  const T* x = args.in[0].ptr<T>();
  int64_t* y = args.out[0].ptr<int64_t>();
  for_lines(s, [&](int64_t first, int64_t columns) {
    T best[kColumns];
    int64_t index[kColumns];
    for (int64_t j = 0; j < s.n; ++j) {
      const int64_t at = first + j * s.inner;
      for (int64_t i = 0; i < columns; ++i) {
        const T v = x[at + i];
        const bool better = j == 0 || v != v || (attrs.smallest ? v <= best[i] : v >= best[i]);
        if (better) best[i] = v, index[i] = j;
        y[at + i] = index[i];
      }
    }
  });
}

}  // namespace

namespace ops {

void scan(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_number(args.out[0].dtype,
             [&](auto* t) { run_scan<std::remove_pointer_t<decltype(t)>>(args); });
}

void running_index(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_number(args.in[0].dtype,
             [&](auto* t) { run_running_index<std::remove_pointer_t<decltype(t)>>(args); });
}

}  // namespace ops

}  // namespace nnf
