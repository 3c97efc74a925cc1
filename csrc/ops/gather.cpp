// Slices of a tensor by number. x is seen as outer x n x inner elements around one dimension.
//   take:          (x, index) -> the slices index[0], index[1], ... of x
//   take_backward: (dy, index) -> dx: each dy added to the slice it came from, in order
//   select:          (x, index) -> y[o, i] = x[o, index[o, i], i]; the dimension is the second
//   select_backward: (dy, index) -> dx
#include <cstring>
#include <type_traits>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/any_dtype.h"
#include "ops/attrs.h"
#include "ops/past_caches.h"
#include "ops/registry.h"

namespace nnf {

namespace {

constexpr int64_t kTaskItems = 16384;  // elements that a task covers, about
constexpr int64_t kStrip = 32;         // columns of a strip are a multiple of that: whole lines

struct Slices {
  int64_t outer = 1, n = 1, inner = 1;

  Slices(const View& x, int64_t dim) {
    for (int d = 0; d < x.ndim; ++d) (d < dim ? outer : d == dim ? n : inner) *= x.shape[d];
  }
};

// take_rows of kernels/gather.h; bools need no vectors.
template <class T>
void take_rows(int64_t count, const int64_t* index, const Slices& s, const T* x, T* y, bool past) {
  if constexpr (!std::is_same_v<T, uint8_t>)
    return kernels<T>().take_rows(count, index, s.n, s.inner, x, y, past);
  for (int64_t j = 0; j < count; ++j, y += s.inner) {
    const bool exists = uint64_t(index[j]) < uint64_t(s.n);
    const T* row = x + (exists ? index[j] : 0) * s.inner;
    for (int64_t i = 0; i < s.inner; ++i) y[i] = exists ? row[i] : T(0);
  }
}

// add_rows of kernels/gather.h, likewise.
template <class T>
void add_rows(int64_t count, const int64_t* index, const Slices& s, int64_t ignored, int64_t width,
              const T* dy, T* x) {
  if constexpr (std::is_floating_point_v<T>)
    if (s.inner > 1)
      return kernels<T>().add_rows(count, index, s.n, ignored, s.inner, width, dy, x);
  for (int64_t j = 0; j < count; ++j, dy += s.inner) {
    if (uint64_t(index[j]) >= uint64_t(s.n) || index[j] == ignored) continue;
    for (int64_t i = 0; i < width; ++i) x[index[j] * s.inner + i] += dy[i];
  }
}

template <class T>
void run_take(const OpArgs& args) {
  const View &index = args.in[1], &y = args.out[0];
  const Slices s(args.in[0], args.attributes<TakeAttrs>().dim);
  const bool past = past_caches(args);
  const int64_t step = ceil_div(kTaskItems, s.inner), blocks = ceil_div(index.size, step);
  const int64_t planes = most(step / index.size, 1);
  parallel_for(ceil_div(s.outer, planes) * blocks, double(y.size), [&](int64_t task, int) {
    const int64_t j = task % blocks * step, first = task / blocks * planes;
    const int64_t count = least(index.size - j, step);
    const int64_t* numbers = index.ptr<int64_t>() + j;
    if constexpr (!std::is_same_v<T, uint8_t>)
      if (s.inner == 1)
        return kernels<T>().take_elements(least(planes, s.outer - first), count, numbers, s.n,
                                          args.in[0].ptr<T>() + first * s.n,
                                          y.ptr<T>() + first * index.size + j, index.size);
    for (int64_t o = first; o < least(first + planes, s.outer); ++o)
      take_rows(count, numbers, s, args.in[0].ptr<T>() + o * s.n * s.inner,
                y.ptr<T>() + (o * index.size + j) * s.inner, past);
  });
}

// Tasks are strips of columns: each walks all indices, so that every sum has their order whatever
// the strips are. As few as there are threads, so that dy is read in long runs.
template <class T>
void run_take_backward(const OpArgs& args) {
  const View &dy = args.in[0], &index = args.in[1], &dx = args.out[0];
  const auto& a = args.attributes<TakeAttrs>();
  const Slices s(dx, a.dim);
  const int64_t clear = ceil_div(dx.size, kTaskItems);
  parallel_for(clear, double(dx.size), [&](int64_t task, int) {
    const int64_t i = task * kTaskItems, n = dx.size - i < kTaskItems ? dx.size - i : kTaskItems;
    std::memset(dx.ptr<T>() + i, 0, size_t(n) * sizeof(T));
  });
  const int64_t parts = least(ceil_div(s.inner, kStrip), num_threads());
  const int64_t width = round_up(ceil_div(s.inner, parts), kStrip);
  const int64_t strips = ceil_div(s.inner, width);
  const int64_t planes = most(kTaskItems / most(index.size * s.inner, 1), 1);
  parallel_for(ceil_div(s.outer, planes) * strips, double(dy.size), [&](int64_t task, int) {
    const int64_t i = task % strips * width, first = task / strips * planes;
    for (int64_t o = first; o < least(first + planes, s.outer); ++o)
      add_rows(index.size, index.ptr<int64_t>(), s, a.ignored, least(s.inner - i, width),
               dy.ptr<T>() + o * index.size * s.inner + i, dx.ptr<T>() + o * s.n * s.inner + i);
  });
}

// Calls f(element of the index, element of x that it points to or -1), in parallel.
template <class F>
void for_selected(const View& x, const View& index, int64_t ignored, F&& f) {
  const Slices s(x, 1);
  parallel_for(ceil_div(index.size, kTaskItems), double(index.size), [&](int64_t task, int) {
    const int64_t end = (task + 1) * kTaskItems;
    for (int64_t i = task * kTaskItems; i < end && i < index.size; ++i) {
      const int64_t k = index.ptr<int64_t>()[i];
      const bool counts = uint64_t(k) < uint64_t(s.n) && k != ignored;
      const Division at = divide(i, s.inner);
      f(i, counts ? (at.quotient * s.n + k) * s.inner + at.rest : -1);
    }
  });
}

template <class T>
void run_select(const OpArgs& args) {
  const T* x = args.in[0].ptr<T>();
  T* y = args.out[0].ptr<T>();
  for_selected(args.in[0], args.in[1], args.attributes<SelectAttrs>().ignored,
               [=](int64_t i, int64_t at) { y[i] = at < 0 ? T(0) : x[at]; });
}

template <class T>
void run_select_backward(const OpArgs& args) {
  const T* dy = args.in[0].ptr<T>();
  T* dx = args.out[0].ptr<T>();
  std::memset(dx, 0, size_t(args.out[0].size) * sizeof(T));
  for_selected(args.out[0], args.in[1], args.attributes<SelectAttrs>().ignored,
               [=](int64_t i, int64_t at) {
                 if (at >= 0) dx[at] = dy[i];
               });
}

}  // namespace

namespace ops {

void take(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_any(args.out[0].dtype, [&](auto* t) { run_take<std::remove_pointer_t<decltype(t)>>(args); });
}

void take_backward(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_number(args.out[0].dtype,
             [&](auto* t) { run_take_backward<std::remove_pointer_t<decltype(t)>>(args); });
}

void select(const OpArgs& args) {
  for_float(args.out[0].dtype,
            [&](auto* t) { run_select<std::remove_pointer_t<decltype(t)>>(args); });
}

void select_backward(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_float(args.out[0].dtype,
            [&](auto* t) { run_select_backward<std::remove_pointer_t<decltype(t)>>(args); });
}

}  // namespace ops

}  // namespace nnf
