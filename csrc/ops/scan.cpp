// What adds up along a dimension. x is seen as outer x n x inner elements around it.
//   scan:    (x, a) -> y[j] = a[j] y[j - 1] + x[j]; a may be absent: 1. reverse: from the end
//   cumprod: (x) -> y[j] = y[j - 1] x[j]
//   running: (x) -> the largest (smallest) of the elements so far and where it stands, the last of
//            equals; once there is a NaN, the latest NaN
#include <type_traits>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/attrs.h"
#include "ops/registry.h"

namespace nnf {

namespace {

constexpr int64_t kColumns = 64;  // of the inner dimensions, that a task carries along
constexpr int kRows = 4;          // lines of neighbours that a task carries along

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

// Lines that begin s.n apart, side by side: one alone waits for each of its results.
template <int lines, class T, class F>
void scan_rows(const Lines& s, int64_t first, bool reverse, Carry<T> start, T* y, F&& f) {
  Carry<T> carry[lines];
  for (auto& c : carry) c = start;
  for (int64_t j = 0; j < s.n; ++j) {
    const int64_t at = first + (reverse ? s.n - 1 - j : j);
#pragma GCC unroll 4
    for (int r = 0; r < lines; ++r)
      y[at + r * s.n] = T(carry[r] = f(carry[r], at + r * s.n, j == 0));
  }
}

// y[at] = f(the value before, at, whether there is none before), along all lines.
template <class T, class F>
void scan_lines(const Lines& s, bool reverse, Carry<T> start, T* y, F&& f) {
  if (s.inner == 1) {
    return parallel_for(ceil_div(s.outer, kRows), double(s.outer * s.n), [&](int64_t task, int) {
      int64_t row = task * kRows;
      if (s.outer - row >= kRows) return scan_rows<kRows>(s, row * s.n, reverse, start, y, f);
      for (; row < s.outer; ++row) scan_rows<1>(s, row * s.n, reverse, start, y, f);
    });
  }
  for_lines(s, [&](int64_t first, int64_t columns) {
    Carry<T> carry[kColumns];
    for (auto& c : carry) c = start;
    for (int64_t j = 0; j < s.n; ++j) {
      const int64_t at = first + (reverse ? s.n - 1 - j : j) * s.inner;
      for (int64_t i = 0; i < columns; ++i) y[at + i] = T(carry[i] = f(carry[i], at + i, j == 0));
    }
  });
}

template <class T>
void run_scan(const OpArgs& args) {
  const auto& attrs = args.attributes<ScanAttrs>();
  const Lines s(args.out[0], attrs.dim);
  const T *x = args.in[0].ptr<T>(), *a = args.n_in > 1 ? args.in[1].ptr<T>() : nullptr;
  T* y = args.out[0].ptr<T>();
  using C = Carry<T>;
  if (!a)
    return scan_lines<T>(s, attrs.reverse, 0, y,
                         [=](C before, int64_t at, bool) { return before + C(x[at]); });
  scan_lines<T>(s, attrs.reverse, 0, y, [=](C before, int64_t at, bool first) {
    return (first ? before : before * C(a[at])) + C(x[at]);
  });
}

template <class T>
void run_cumprod(const OpArgs& args) {
  const T* x = args.in[0].ptr<T>();
  using C = Carry<T>;
  scan_lines<T>(Lines(args.in[0], args.attributes<CumprodAttrs>().dim), false, 1,
                args.out[0].ptr<T>(),
                [=](C before, int64_t at, bool) { return before * C(x[at]); });
}

template <class T>
void run_running(const OpArgs& args) {
  const auto& attrs = args.attributes<RunningAttrs>();
  const Lines s(args.in[0], attrs.dim);
  const T* x = args.in[0].ptr<T>();
  T* values = args.out[0].ptr<T>();
  int64_t* index = args.out[1].ptr<int64_t>();
  for_lines(s, [&](int64_t first, int64_t columns) {
    if (s.inner == 1)
      return kernels<T>().running_row(attrs.smallest, s.n, x + first, values + first,
                                      index + first);
    T best[kColumns];
    int64_t where[kColumns];
    for (int64_t j = 0; j < s.n; ++j) {
      const int64_t at = first + j * s.inner;
      for (int64_t i = 0; i < columns; ++i) {
        const T v = x[at + i];
        const bool better = j == 0 || v != v || (attrs.smallest ? v <= best[i] : v >= best[i]);
        if (better) best[i] = v, where[i] = j;
        values[at + i] = best[i], index[at + i] = where[i];
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

void cumprod(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_number(args.out[0].dtype,
             [&](auto* t) { run_cumprod<std::remove_pointer_t<decltype(t)>>(args); });
}

void running(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_number(args.in[0].dtype,
             [&](auto* t) { run_running<std::remove_pointer_t<decltype(t)>>(args); });
}

}  // namespace ops

}  // namespace nnf
