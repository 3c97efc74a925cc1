// Pooling over the last two dimensions; every plane by itself.
//   max_pool2d:          (x) -> the largest element of each window, and (if there is a second
//                        output) its index in the plane
//   max_pool2d_backward: (dy, index) -> dx
//   max_pool2d_gather:   (x, index) -> y
//   max_unpool2d:        (x, index) -> y: each x at its index, the last of equal ones
//   avg_pool2d:          (x) -> the mean of each window
//   avg_pool2d_backward: (dy) -> dx
#include <cmath>
#include <cstring>
#include <type_traits>

#include "kernels/table.h"
#include "ops/attrs.h"
#include "ops/past_caches.h"
#include "ops/planes.h"
#include "ops/registry.h"

namespace nnf {

namespace {

PoolGrid pool_grid(const View& x, const View& y, const Pool2dAttrs& a) {
  return {x.dim(-2), x.dim(-1), y.dim(-2), y.dim(-1), a.KH, a.KW,
          a.sh,      a.sw,      a.ph,      a.pw,      a.dh, a.dw};
}

int64_t planes_of(const View& x) { return x.size / (x.dim(-2) * x.dim(-1)); }

// Wide enough for every column that a window reaches.
PaddedPlane padded_plane(const PoolGrid& g) {
  const int64_t reach = (g.OW - 1) * g.sw + (g.KW - 1) * g.dw - g.pw + 1;
  return PaddedPlane(g.H, g.W, g.pw, reach - g.W);
}

template <class T>
void run_max(const OpArgs& args) {
  const View &x = args.in[0], &y = args.out[0];
  const PoolGrid g = pool_grid(x, y, args.attributes<Pool2dAttrs>());
  const PaddedPlane padded = padded_plane(g);
  T* copies = static_cast<T*>(args.workspace);
  for_planes(
      planes_of(x), g.H * g.W, double(g.OH) * g.OW * g.KH * g.KW, [&](int64_t p, int worker) {
        const T* plane =
            padded.fill(x.ptr<T>() + p * g.H * g.W, T(-INFINITY), copies + worker * padded.items());
        int64_t* index = args.n_out > 1 ? args.out[1].ptr<int64_t>() + p * g.OH * g.OW : nullptr;
        kernels<T>().max_pool(g, plane, padded.ld, y.ptr<T>() + p * g.OH * g.OW, index);
      });
}

// Windows along one dimension: how many elements each is divided by.
template <class T>
void fill_counts(int64_t n, int64_t size, int64_t k, int64_t stride, int64_t padding,
                 bool include_pad, T* count) {
  for (int64_t i = 0; i < n; ++i) {
    int64_t begin = i * stride - padding, end = begin + k;
    if (end > size + padding) end = size + padding;
    if (!include_pad && begin < 0) begin = 0;
    if (!include_pad && end > size) end = size;
    count[i] = T(end - begin);
  }
}

// Tables of the divisor: that of a window is the product of its row's and its column's.
template <class T>
struct Counts {
  T *rows, *cols;

  static int64_t items(const PoolGrid& g) { return round_up(g.OH + g.OW, 16); }
  Counts(const PoolGrid& g, const Pool2dAttrs& a, T* memory) : rows(memory), cols(memory + g.OH) {
    if (a.divisor) {
      for (int64_t i = 0; i < g.OH; ++i) rows[i] = 1;
      for (int64_t j = 0; j < g.OW; ++j) cols[j] = T(a.divisor);
    } else {
      fill_counts(g.OH, g.H, g.KH, g.sh, g.ph, a.include_pad, rows);
      fill_counts(g.OW, g.W, g.KW, g.sw, g.pw, a.include_pad, cols);
    }
  }
};

// Whether there is one window a plane: all of it.
bool is_global(const PoolGrid& g) {
  return g.KH == g.H && g.KW == g.W && g.ph == 0 && g.pw == 0 && g.OH == 1 && g.OW == 1;
}

// y = the mean of each plane; by what it is divided is one number for all.
template <class T>
void run_global_avg(const OpArgs& args, const PoolGrid& g, const Counts<T>& counts) {
  const View &x = args.in[0], &y = args.out[0];
  const int64_t size = g.H * g.W, step = ceil_div(kPlaneTask, size);
  const T divisor = counts.rows[0] * counts.cols[0];
  parallel_for(ceil_div(y.size, step), double(x.size), [&](int64_t task, int) {
    const int64_t p = task * step, n = y.size - p < step ? y.size - p : step;
    T* to = y.ptr<T>() + p;
    kernels<T>().reduce_each(Reduction::sum, n, size, size, x.ptr<T>() + p * size, to);
    MapArgs<T> divide{n, to, &divisor, nullptr, 1, 0, 0, to, {0, 0}};
    kernels<T>().map[int(Map::div)](divide);
  });
}

// dx = dy / divisor, all over the plane.
template <class T>
void run_global_avg_backward(const OpArgs& args, const PoolGrid& g, const Counts<T>& counts) {
  const View &dy = args.in[0], &dx = args.out[0];
  const int64_t size = g.H * g.W, step = ceil_div(kPlaneTask, size);
  const T divisor = counts.rows[0] * counts.cols[0];
  const bool past = past_caches(args);
  parallel_for(ceil_div(dy.size, step), double(dx.size), [&](int64_t task, int) {
    const int64_t p = task * step, n = dy.size - p < step ? dy.size - p : step;
    MapArgs<T> divide{size, dy.ptr<T>() + p,        &divisor, nullptr, 0, 0,
                      0,    dx.ptr<T>() + p * size, {0, 0}};
    divide.rows = n, divide.ra = 1, divide.ry = size, divide.past_caches = past;
    kernels<T>().map[int(Map::div)](divide);
  });
}

template <class T>
void run_avg(const OpArgs& args) {
  const View &x = args.in[0], &y = args.out[0];
  const auto& attrs = args.attributes<Pool2dAttrs>();
  const PoolGrid g = pool_grid(x, y, attrs);
  const PaddedPlane padded = padded_plane(g);
  const Counts<T> counts(g, attrs, static_cast<T*>(args.workspace));
  if (is_global(g)) return run_global_avg(args, g, counts);
  T* copies = static_cast<T*>(args.workspace) + Counts<T>::items(g);
  for_planes(planes_of(x), g.H * g.W, double(g.OH) * g.OW * g.KH * g.KW,
             [&](int64_t p, int worker) {
               const T* plane =
                   padded.fill(x.ptr<T>() + p * g.H * g.W, T(0), copies + worker * padded.items());
               kernels<T>().avg_pool(g, plane, padded.ld, counts.rows, counts.cols,
                                     y.ptr<T>() + p * g.OH * g.OW);
             });
}

int64_t spread_items(const PoolGrid& g) {
  return round_up(g.OW * (g.sw + 1) + g.KW + g.pw + g.W, 16);
}

template <class T>
void run_avg_backward(const OpArgs& args) {
  const View &dy = args.in[0], &dx = args.out[0];
  const auto& attrs = args.attributes<Pool2dAttrs>();
  const PoolGrid g = pool_grid(dx, dy, attrs);
  const Counts<T> counts(g, attrs, static_cast<T*>(args.workspace));
  if (is_global(g)) return run_global_avg_backward(args, g, counts);
  T* scratch = static_cast<T*>(args.workspace) + Counts<T>::items(g);
  const double work = double(g.H) * g.OW * (g.KH + g.KW);
  for_planes(planes_of(dx), g.H * g.W, work, [&](int64_t p, int worker) {
    kernels<T>().avg_pool_backward(g, dy.ptr<T>() + p * g.OH * g.OW, counts.rows, counts.cols,
                                   scratch + worker * spread_items(g), dx.ptr<T>() + p * g.H * g.W);
  });
}

}  // namespace

namespace ops {

int64_t max_pool2d_workspace(const OpArgs& args) {
  const PoolGrid g = pool_grid(args.in[0], args.out[0], args.attributes<Pool2dAttrs>());
  return num_threads() * padded_plane(g).items() * item_size(args.out[0].dtype);
}

void max_pool2d(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_float(args.out[0].dtype, [&](auto* t) { run_max<std::remove_pointer_t<decltype(t)>>(args); });
}

void max_pool2d_backward(const OpArgs& args) {
  const View &dy = args.in[0], &index = args.in[1], &dx = args.out[0];
  if (dx.size == 0) return;
  const int64_t size = dx.dim(-2) * dx.dim(-1), n = dy.dim(-2) * dy.dim(-1);
  for_float(dx.dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    for_planes(planes_of(dx), size, double(size) + n, [&](int64_t p, int) {
      kernels<T>().max_pool_scatter(n, dy.ptr<T>() + p * n, index.ptr<int64_t>() + p * n, size,
                                    dx.ptr<T>() + p * size);
    });
  });
}

void max_pool2d_gather(const OpArgs& args) {
  const View &x = args.in[0], &index = args.in[1], &y = args.out[0];
  if (y.size == 0) return;
  const int64_t size = x.dim(-2) * x.dim(-1), n = y.dim(-2) * y.dim(-1);
  for_float(y.dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    for_planes(planes_of(y), n, double(n), [&](int64_t p, int) {
      kernels<T>().max_pool_gather(n, x.ptr<T>() + p * size, index.ptr<int64_t>() + p * n, size,
                                   y.ptr<T>() + p * n);
    });
  });
}

void max_unpool2d(const OpArgs& args) {
  const View &x = args.in[0], &index = args.in[1], &y = args.out[0];
  if (y.size == 0) return;
  const int64_t size = y.dim(-2) * y.dim(-1), n = x.dim(-2) * x.dim(-1);
  for_float(y.dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    for_planes(planes_of(y), size, double(size) + n, [&](int64_t p, int) {
      const T* from = x.ptr<T>() + p * n;
      const int64_t* at = index.ptr<int64_t>() + p * n;
      T* to = y.ptr<T>() + p * size;
      std::memset(to, 0, size_t(size) * sizeof(T));
      for (int64_t i = 0; i < n; ++i)
        if (uint64_t(at[i]) < uint64_t(size)) to[at[i]] = from[i];
    });
  });
}

int64_t avg_pool2d_workspace(const OpArgs& args) {
  const PoolGrid g = pool_grid(args.in[0], args.out[0], args.attributes<Pool2dAttrs>());
  return (Counts<double>::items(g) + num_threads() * padded_plane(g).items()) *
         item_size(args.out[0].dtype);
}

void avg_pool2d(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_float(args.out[0].dtype, [&](auto* t) { run_avg<std::remove_pointer_t<decltype(t)>>(args); });
}

int64_t avg_pool2d_backward_workspace(const OpArgs& args) {
  const PoolGrid g = pool_grid(args.out[0], args.in[0], args.attributes<Pool2dAttrs>());
  return (Counts<double>::items(g) + num_threads() * spread_items(g)) *
         item_size(args.out[0].dtype);
}

void avg_pool2d_backward(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_float(args.out[0].dtype,
            [&](auto* t) { run_avg_backward<std::remove_pointer_t<decltype(t)>>(args); });
}

}  // namespace ops

}  // namespace nnf
