// Elements by number along one dimension, every other dimension by itself.
//   gather:  (x, index) -> y[i, j, k] = x[i, index[i, j, k], k] for dimension 1
//   scatter: (src, index, x) -> x, in place or not, with y[i, index[i, j, k], k] = src[i, j, k], or
//            its sum, product, maximum or minimum with it, for all j in order; x may be absent:
//            zeros
// The index may be smaller than x in the other dimensions. Numbers outside of it stand for nothing.
#include <cstring>
#include <type_traits>

#include "kernels/table.h"
#include "ops/any_dtype.h"
#include "ops/attrs.h"
#include "ops/registry.h"
#include "ops/strided.h"

namespace nnf {

namespace {

constexpr double kRandomAccess = 4;  // work of an element that lies anywhere
constexpr int64_t kStrip = 64;       // columns: a strip has a multiple of that

template <class T>
constexpr bool kHasKernels = !std::is_same_v<T, uint8_t>;  // bool has none

// x as the index sees it: that shape, and no step along the dimension of the numbers.
View behind_index(const View& x, const View& index, int64_t dim) {
  View v = x;
  v.size = index.size;
  for (int d = 0; d < x.ndim; ++d) v.shape[d] = index.shape[d];
  if (x.ndim) v.stride[dim] = 0;
  return v;
}

template <class T>
void run_gather(const OpArgs& args) {
  const View &x = args.in[0], &y = args.out[0];
  const int64_t dim = args.attributes<GatherAttrs>().dim;
  const int64_t n = x.ndim ? x.shape[dim] : 1, step = x.ndim ? x.stride[dim] : 0;
  const View views[2] = {behind_index(x, args.in[1], dim), args.in[1]};
  const Walk w = make_walk(y, views, 2);
  const int last = w.ndim - 1;
  const int64_t sx = w.stride[0][last], si = w.stride[1][last];
  const int64_t rx = last ? w.stride[0][last - 1] : 0, ri = last ? w.stride[1][last - 1] : 0;
  for_rows(w, kRandomAccess, [&](int64_t rows, int64_t m, const int64_t* at, int64_t out) {
    const T* from = x.ptr<T>() + at[0];
    const int64_t* index = args.in[1].ptr<int64_t>() + at[1];
    T* to = y.ptr<T>() + out;
    for (int64_t r = 0; r < rows; ++r, from += rx, index += ri, to += m) {
      if (si == 0 && sx == 1 && uint64_t(*index) < uint64_t(n)) {
        std::memcpy(to, from + *index * step, size_t(m) * sizeof(T));
        continue;
      }
      if constexpr (kHasKernels<T>)
        if (si == 1 && (sx == 0 || sx == 1)) {
          kernels<T>().gather_row(m, index, n, from, sx, step, to);
          continue;
        }
      for (int64_t i = 0; i < m; ++i) {
        const int64_t k = index[i * si];
        const bool exists = uint64_t(k) < uint64_t(n);
        const T v = from[i * sx + (exists ? k : 0) * step];
        to[i] = exists ? v : T(0);
      }
    }
  });
}

// What becomes of an element that another one goes to.
template <class T>
T meet(Meeting how, T there, T comes) {
  switch (how) {
    case Meeting::add:
      return std::is_same_v<T, uint8_t> ? T(there || comes) : T(there + comes);
    case Meeting::largest:
      return there > comes || there != there ? there : comes;
    case Meeting::smallest:
      return there < comes || there != there ? there : comes;
    case Meeting::product:
      return T(there * comes);
    default:
      return comes;
  }
}

// Elements i < m of a row of the index and of src go to y[i * sy + index[i] * step].
template <class T>
struct RowScatter {
  int64_t n, step, ss, si, sy;
  Meeting how;

  void operator()(int64_t m, const T* src, const int64_t* index, T* y) const {
    const bool set = how == Meeting::set, plain = set || how == Meeting::add;
    if (si == 0 && sy == 1 && (ss == 1 ? plain : ss == 0 && set)) return whole(m, src, *index, y);
    if constexpr (kHasKernels<T>)
      if (plain && si == 1 && ss == 1)
        return kernels<T>().scatter_row(m, index, n, src, !set, sy, step, y);
    for (int64_t i = 0; i < m; ++i) {
      const int64_t k = index[i * si];
      if (uint64_t(k) >= uint64_t(n)) continue;
      T& to = y[i * sy + k * step];
      to = meet(how, to, src[i * ss]);
    }
  }
  void whole(int64_t m, const T* src, int64_t k, T* y) const {
    if (uint64_t(k) >= uint64_t(n)) return;
    y += k * step;
    if (ss == 0) {
      if constexpr (kHasKernels<T>)
        kernels<T>().copy(MapArgs<T>{m, src, nullptr, nullptr, 0, 0, 0, y, {0, 0}});
      else
        std::memset(y, *src, size_t(m));
    } else if (how == Meeting::set) {
      std::memcpy(y, src, size_t(m) * sizeof(T));
    } else {
      if constexpr (!kHasKernels<T>)
        for (int64_t i = 0; i < m; ++i) y[i] |= src[i];
      else
        kernels<T>().map[int(Map::add)](MapArgs<T>{m, y, src, nullptr, 1, 1, 0, y, {0, 0}});
    }
  }
};

// The dimensions of a view in front of `dim`, or those behind it.
View dims_of(const View& x, int from, int to) {
  View v = x;
  v.ndim = to - from, v.size = 1;
  for (int d = from; d < to; ++d) {
    v.shape[d - from] = x.shape[d], v.stride[d - from] = x.stride[d];
    v.size *= x.shape[d];
  }
  return v;
}

// A dense view whose first dimensions are seen as one.
View with_joined(const View& x, int64_t joined) {
  if (joined == 0) return x;
  View v = x;
  int64_t size = 1;
  for (int d = 0; d < least(joined, x.ndim); ++d) size *= x.shape[d];
  v.ndim = 1;
  v.shape[0] = size, v.stride[0] = size ? x.size / size : 1;
  for (int64_t d = joined; d < x.ndim; ++d)
    v.shape[v.ndim] = x.shape[d], v.stride[v.ndim++] = x.stride[d];
  return v;
}

// Offsets of element i of a walk.
void element_offsets(const Walk& w, int64_t i, int64_t* at) {
  const Division s = divide(i, w.inner);
  walk_offsets(w, s.quotient, at);
  for (int k = 0; k < w.n_in; ++k) at[k] += s.rest * w.stride[k][w.ndim - 1];
}

template <class T>
void begin_scatter(const OpArgs& args) {
  const View& y = args.out[0];
  if (args.n_in > 2 && args.in[2].data == y.data) return;  // in place
  if (args.n_in > 2 && args.in[2]) return ops::copy({args.op, &args.in[2], 1, &y, 1, nullptr, {}});
  parallel_for(ceil_div(y.size, kWalkBlock), double(y.size), [&](int64_t task, int) {
    const int64_t i = task * kWalkBlock;
    std::memset(y.ptr<T>() + i, 0, size_t(least(kWalkBlock, y.size - i)) * sizeof(T));
  });
}

// What one task writes to no other does: the dimensions in front of that of the numbers are cut,
// and those behind it, in strips of columns.
template <class T>
void run_scatter(const OpArgs& args) {
  const View &src = args.in[0], &index = args.in[1];
  const auto& attrs = args.attributes<ScatterAttrs>();
  const View y = with_joined(args.out[0], attrs.joined);
  begin_scatter<T>(args);
  if (index.size == 0) return;
  const int d = int(attrs.dim), ndim = y.ndim;
  const View views[3] = {src, index, behind_index(y, index, d)};
  View front[3], behind[3];
  for (int k = 0; k < 3; ++k)
    front[k] = dims_of(views[k], 0, d), behind[k] = dims_of(views[k], ndim ? d + 1 : 0, ndim);
  const Walk outer = make_walk(front[0], front, 3), inner = make_walk(behind[0], behind, 3);
  const int last = inner.ndim - 1;
  const int64_t m = ndim ? index.shape[d] : 1, n = ndim ? y.shape[d] : 1;
  const int64_t js = ndim ? src.stride[d] : 0, ji = ndim ? index.stride[d] : 0;
  const int64_t jy = ndim ? y.stride[d] : 0;
  const bool alone = behind[0].size == 1;  // a row of the index is one of its numbers' dimension
  RowScatter<T> row{n, jy, js, ji, 0, attrs.how};
  if (!alone)
    row.ss = inner.stride[0][last], row.si = inner.stride[1][last], row.sy = inner.stride[2][last];
  // As few strips as keep all threads busy: rows are written in long runs.
  const int64_t rows = front[0].size * inner.outer;
  const int64_t parts = least(ceil_div(inner.inner, kStrip), ceil_div(num_threads(), rows));
  const int64_t width = round_up(ceil_div(inner.inner, parts), kStrip);
  const int64_t strips = ceil_div(inner.inner, width), count = rows * strips;
  const int64_t step = most(kWalkBlock / (m * least(width, inner.inner)), 1);
  parallel_for(ceil_div(count, step), kRandomAccess * double(index.size), [&](int64_t task, int) {
    for (int64_t t = task * step; t < least((task + 1) * step, count); ++t) {
      const Division strip = divide(t, strips), place = divide(strip.quotient, inner.outer);
      const int64_t i = strip.rest * width, columns = least(width, inner.inner - i);
      int64_t at[kMaxWalk], in[kMaxWalk];
      element_offsets(outer, place.quotient, at);
      walk_offsets(inner, place.rest, in);
      for (int k = 0; k < 3; ++k) at[k] += in[k] + i * inner.stride[k][last];
      const T* from = src.ptr<T>() + at[0];
      const int64_t* numbers = index.ptr<int64_t>() + at[1];
      T* to = y.ptr<T>() + at[2];
      if (alone) {
        row(m, from, numbers, to);
      } else {
        for (int64_t j = 0; j < m; ++j) row(columns, from + j * js, numbers + j * ji, to);
      }
    }
  });
}

}  // namespace

namespace ops {

void gather(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_any(args.out[0].dtype,
          [&](auto* t) { run_gather<std::remove_pointer_t<decltype(t)>>(args); });
}

void scatter(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_any(args.out[0].dtype,
          [&](auto* t) { run_scatter<std::remove_pointer_t<decltype(t)>>(args); });
}

}  // namespace ops

}  // namespace nnf
