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

constexpr int64_t kColumns = 64;  // of the inner dimensions, that a task carries along

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

template <class T>
void run_scan(const OpArgs& args) {
  const auto& attrs = args.attributes<ScanAttrs>();
  const Lines s(args.out[0], attrs.dim);
  const T *x = args.in[0].ptr<T>(), *a = args.n_in > 1 ? args.in[1].ptr<T>() : nullptr;
  T* y = args.out[0].ptr<T>();
  for_lines(s, [&](int64_t first, int64_t columns) {
    if (s.inner == 1) {
      Carry<T> carry = 0;
      for (int64_t j = 0; j < s.n; ++j) {
        const int64_t at = first + (attrs.reverse ? s.n - 1 - j : j);
        carry = (a && j > 0 ? carry * Carry<T>(a[at]) : carry) + Carry<T>(x[at]);
        y[at] = T(carry);
      }
      return;
    }
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
