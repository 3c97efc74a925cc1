// Every dimension of y put together from stretches of the same dimension of x, forwards, backwards
// or one element over and over, and of a value: what flips, rolls, pads and crops.
//   rearrange:          (x) -> y
//   rearrange_backward: (dy) -> dx: each element of dy added to the one that it came from, in order
//   triangle:           (x) -> the triangle of each matrix below (above) a diagonal, 0 elsewhere
#include <cstring>
#include <type_traits>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/any_dtype.h"
#include "ops/attrs.h"
#include "ops/past_caches.h"
#include "ops/registry.h"
#include "ops/strided.h"

namespace nnf {

namespace {

// A dimension of y, or several in one.
struct Axis {
  int64_t n = 0, size = 1, step = 1;  // size and step are those of x
  int stretches = 0;
  Stretch stretch[kStretches];
  bool whole = false;  // of x, as it is

  Axis() = default;
  Axis(const Stretch* from, int64_t size) : size(size) {
    for (int k = 0; k < kStretches; ++k)
      if (from[k].n > 0) n += from[k].n, stretch[stretches++] = from[k];
    whole =
        stretches == 1 && n == size && stretch[0].first == 0 && (stretch[0].step == 1 || n == 1);
  }

  // Whether a dimension of x that is taken as it is, behind this one, may be joined to it.
  bool joins() const {
    for (int k = 0; k < stretches; ++k)
      if (stretch[k].first >= 0 && stretch[k].step != 1 && stretch[k].n != 1) return false;
    return true;
  }
  void join(int64_t inner) {
    n *= inner, size *= inner;
    for (int k = 0; k < stretches; ++k) {
      stretch[k].n *= inner, stretch[k].step = 1;
      if (stretch[k].first > 0) stretch[k].first *= inner;
    }
  }
  // The stretch of element i, and which of its elements that is.
  const Stretch& at(int64_t i, int64_t* within) const {
    const Stretch* r = stretch;
    for (; i >= r->n; ++r) i -= r->n;
    *within = i;
    return *r;
  }
};

// How many values stand before and behind a dimension of x that is taken as it is.
struct Border {
  int64_t before = 0, behind = 0;
  bool all;  // whether the axis is no more than that

  explicit Border(const Axis& a) {
    const Stretch *s = a.stretch, *const end = s + a.stretches;
    if (s < end && s->first < 0) before = s++->n;
    all = s < end && s->first == 0 && s->n == a.size && (s->step == 1 || s->n == 1);
    if (all && ++s < end && s->first < 0) behind = s++->n;
    all = all && s == end;
  }
};

// The last dimension is a row; `rows` of them.
struct Axes {
  int count = 0;
  Axis axis[kMaxDims];
  int64_t rows = 1;

  Axes(const View& x, int64_t ndim, const RearrangeAttrs& attrs) {
    for (int d = 0; d < ndim; ++d) {
      const Axis next(attrs.stretch[d], x.shape[d]);
      if (next.whole && count && axis[count - 1].joins())
        axis[count - 1].join(next.n);
      else
        axis[count++] = next;
    }
    if (count == 0) {  // a scalar
      const Stretch one[kStretches] = {{1, 0, 1}};
      axis[count++] = Axis(one, 1);
    }
    int64_t step = 1;
    for (int d = count - 1; d >= 0; --d) {
      axis[d].step = step;
      step *= axis[d].size;
    }
    for (int d = 0; d < count - 1; ++d) rows *= axis[d].n;
  }
  const Axis& row() const { return axis[count - 1]; }

  // Where a row lies in each dimension but the last.
  struct Place {
    int64_t at[kMaxDims];
  };
  Place place(int64_t row) const {
    Place p;
    for (int d = count - 2; d >= 0; --d) p.at[d] = row % axis[d].n, row /= axis[d].n;
    return p;
  }

  // Rows of y from a place on, at most `most` of them, that lie evenly apart in x.
  struct Rows {
    int64_t count, from, step;  // the first one, in x; -1: rows of the value
  };
  // Moves the place behind them.
  Rows next_rows(Place* p, int64_t most) const {
    Rows rows{1, 0, 0};
    for (int d = count - 2; d >= 0; --d) {
      int64_t within;
      const Stretch& stretch = axis[d].at(p->at[d], &within);
      if (d == count - 2) {
        rows.count = least(stretch.n - within, most);
        rows.step = stretch.step * axis[d].step;
      }
      if (stretch.first < 0) rows.from = -1;
      if (rows.from >= 0) rows.from += (stretch.first + within * stretch.step) * axis[d].step;
    }
    if (count > 1) p->at[count - 2] += rows.count;
    for (int d = count - 2; d > 0 && p->at[d] == axis[d].n; --d) p->at[d] = 0, ++p->at[d - 1];
    return rows;
  }
};

// Elements [begin, end) of a row.
struct PartOfRow {
  int stretches = 0;
  Stretch stretch[kStretches];

  PartOfRow(const Axis& row, int64_t begin, int64_t end) {
    int64_t at = 0;
    for (int k = 0; k < row.stretches; at += row.stretch[k++].n) {
      const Stretch& r = row.stretch[k];
      const int64_t first = most(begin - at, 0), n = least(end - at, r.n) - first;
      if (n > 0) stretch[stretches++] = {n, r.first < 0 ? -1 : r.first + first * r.step, r.step};
    }
  }
};

void rearrange_rows(const StretchArgs<uint8_t>& g) {  // bool has no kernels
  for (int64_t row = 0; row < g.rows; ++row) {
    uint8_t* y = g.y + row * g.ry;
    for (const Stretch* r = g.stretch; r < g.stretch + g.stretches; y += r->n, ++r) {
      const uint8_t* x = g.x + row * g.rx + r->first;
      if (r->first < 0)
        std::memset(y, g.value, size_t(r->n));
      else if (r->step == 1)
        std::memcpy(y, x, size_t(r->n));
      else
        for (int64_t i = 0; i < r->n; ++i) y[i] = x[i * r->step];
    }
  }
}
template <class T>
void rearrange_rows(const StretchArgs<T>& g) {
  kernels<T>().rearrange(g);
}

// Small planes, whole ones, with a border of one value. Whether it was that.
template <class T>
bool run_bordered(const OpArgs& args, const Axes& axes, T value) {
  const View &x = args.in[0], &y = args.out[0];
  if (axes.count < 2 || axes.count > 3 || (axes.count == 3 && !axes.axis[0].whole)) return false;
  const Axis &down = axes.axis[axes.count - 2], &across = axes.row();
  const Border rows(down), columns(across);
  const int64_t size = down.n * across.n, step = kWalkBlock / size;
  if (!rows.all || !columns.all || step == 0) return false;
  const int64_t planes = y.size / size, before = rows.before * across.n + columns.before;
  const int64_t behind = rows.behind * across.n + columns.behind;
  parallel_for(ceil_div(planes, step), double(y.size), [&](int64_t task, int) {
    const int64_t p = task * step, count = least(step, planes - p);
    BorderArgs<T> g{};
    g.planes = count, g.rows = down.size, g.n = across.size;
    g.x = x.ptr<T>() + p * g.rows * g.n;
    g.before = before, g.gap = columns.behind + columns.before, g.between = behind + before;
    g.value = value;
    g.y = y.ptr<T>() + p * size, g.end = g.y + count * size;
    kernels<T>().copy_bordered(g);
  });
  return true;
}

template <class T>
void run_rearrange(const OpArgs& args) {
  const View &x = args.in[0], &y = args.out[0];
  const auto& attrs = args.attributes<RearrangeAttrs>();
  const Axes axes(x, y.ndim, attrs);
  T value;
  std::memcpy(&value, &attrs.value, sizeof value);
  const bool past = past_caches(args);
  if constexpr (!std::is_same_v<T, uint8_t>)
    if (!past && run_bordered<T>(args, axes, value)) return;
  const int64_t n = axes.row().n, blocks = ceil_div(n, kWalkBlock);
  const int64_t step = n < kWalkBlock ? kWalkBlock / n : 1;  // rows of a task
  parallel_for(ceil_div(axes.rows, step) * blocks, double(y.size), [&](int64_t task, int) {
    const int64_t begin = task % blocks * kWalkBlock, end = least(begin + kWalkBlock, n);
    const PartOfRow part(axes.row(), begin, end);
    const Stretch nothing{end - begin, -1, 0};
    const int64_t row = task / blocks * step, last = least(row + step, axes.rows);
    Axes::Place place = axes.place(row);
    for (int64_t r = row; r < last;) {
      const Axes::Rows rows = axes.next_rows(&place, last - r);
      const bool exist = rows.from >= 0;
      rearrange_rows(StretchArgs<T>{exist ? part.stretch : &nothing, exist ? part.stretches : 1,
                                    rows.count, x.ptr<T>() + (exist ? rows.from : 0), rows.step,
                                    y.ptr<T>() + r * n + begin, n, value, past});
      r += rows.count;
    }
  });
}

// A task is all that leads to one element of the dimensions in front that are taken as they are.
template <class T>
void run_rearrange_backward(const OpArgs& args) {
  const View &dy = args.in[0], &dx = args.out[0];
  const Axes axes(dx, dy.ndim, args.attributes<RearrangeAttrs>());
  const bool splits = axes.count > 1 && axes.axis[0].whole;
  const int64_t parts = splits ? axes.axis[0].n : 1;
  const int64_t rows = axes.rows / parts, size = dx.size / parts;
  const int64_t step = most(kWalkBlock / most(rows * axes.row().n, 1), 1);  // parts of a task
  parallel_for(ceil_div(parts, step), double(dy.size), [&](int64_t task, int) {
    const int64_t first = task * step, last = least(first + step, parts);
    std::memset(dx.ptr<T>() + first * size, 0, size_t((last - first) * size) * sizeof(T));
    Axes::Place place = axes.place(first * rows);
    for (int64_t r = first * rows; r < last * rows;) {
      const Axes::Rows some = axes.next_rows(&place, last * rows - r);
      if (some.from >= 0)
        kernels<T>().add_rearranged(axes.row().stretch, axes.row().stretches, some.count,
                                    dy.ptr<T>() + r * axes.row().n, axes.row().n,
                                    dx.ptr<T>() + some.from, some.step);
      r += some.count;
    }
  });
}

template <class T>
void run_triangle(const OpArgs& args) {
  const View &x = args.in[0], &y = args.out[0];
  const auto& attrs = args.attributes<TriangleAttrs>();
  const int64_t m = y.dim(-2), n = y.dim(-1), rows = y.size / n;
  const int64_t step = n < kWalkBlock ? kWalkBlock / n : 1;
  const bool past = past_caches(args);
  parallel_for(ceil_div(rows, step), double(y.size), [&](int64_t task, int) {
    for (int64_t r = task * step; r < least((task + 1) * step, rows); ++r) {
      // The elements before `to` are kept, or those from it on.
      const int64_t to = least(most(r % m + attrs.diagonal + !attrs.upper, 0), n);
      const Stretch lower[2] = {{to, 0, 1}, {n - to, -1, 0}},
                    upper[2] = {{to, -1, 0}, {n - to, to, 1}};
      rearrange_rows(StretchArgs<T>{attrs.upper ? upper : lower, 2, 1, x.ptr<T>() + r * n, 0,
                                    y.ptr<T>() + r * n, 0, T(0), past});
    }
  });
}

}  // namespace

namespace ops {

void rearrange(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_any(args.out[0].dtype,
          [&](auto* t) { run_rearrange<std::remove_pointer_t<decltype(t)>>(args); });
}

void rearrange_backward(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_float(args.out[0].dtype,
            [&](auto* t) { run_rearrange_backward<std::remove_pointer_t<decltype(t)>>(args); });
}

void triangle(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_any(args.out[0].dtype,
          [&](auto* t) { run_triangle<std::remove_pointer_t<decltype(t)>>(args); });
}

}  // namespace ops

}  // namespace nnf
