// Pooling of planes to a size. Window u of OH covers rows [floor(u H / OH), ceil((u + 1) H / OH)).
//   adaptive_avg_pool2d:          (x) -> the mean of each window
//   adaptive_avg_pool2d_backward: (dy) -> dx
//   adaptive_max_pool2d:          (x) -> its largest element, and the index of that in the plane
#include <cstring>
#include <type_traits>

#include "kernels/table.h"
#include "ops/planes.h"
#include "ops/registry.h"

namespace nnf {

namespace {

// The windows along one dimension.
struct Windows {
  int64_t size, count;

  int64_t begin(int64_t u) const { return u * size / count; }
  int64_t end(int64_t u) const { return ceil_div((u + 1) * size, count); }
  int64_t width(int64_t u) const { return end(u) - begin(u); }
};

struct Grid {
  Windows h, w;
  int64_t planes, in, out;  // elements of a plane

  Grid(const View& x, const View& y)
      : h{x.dim(-2), y.dim(-2)},
        w{x.dim(-1), y.dim(-1)},
        planes(x.size / (h.size * w.size)),
        in(h.size * w.size),
        out(h.count * w.count) {}
};

// f(plane, a row of W elements for its own use) for each plane, in parallel.
template <class T, class F>
void for_each_plane(const OpArgs& args, const Grid& g, F&& f) {
  T* rows = static_cast<T*>(args.workspace);
  const double work = double(g.in) + 4.0 * double(g.out);
  for_planes(g.planes, g.in, work, [&](int64_t p, int worker) { f(p, rows + worker * g.w.size); });
}

// row = sums (largest elements) of the columns of the rows of window u.
template <class T>
void reduce_rows(Reduction r, const Grid& g, const T* x, int64_t u, T* row) {
  kernels<T>().reduce_cols(r, g.h.width(u), x + g.h.begin(u) * g.w.size, g.w.size, g.w.size, row);
}

template <class T>
void run_avg(const OpArgs& args) {
  const Grid g(args.in[0], args.out[0]);
  for_each_plane<T>(args, g, [&](int64_t p, T* row) {
    const T* x = args.in[0].ptr<T>() + p * g.in;
    T* y = args.out[0].ptr<T>() + p * g.out;
    for (int64_t u = 0; u < g.h.count; ++u) {
      reduce_rows(Reduction::sum, g, x, u, row);
      for (int64_t v = 0; v < g.w.count; ++v) {
        T sum = 0;
        for (int64_t w = g.w.begin(v); w < g.w.end(v); ++w) sum += row[w];
        *y++ = sum / T(g.h.width(u) * g.w.width(v));
      }
    }
  });
}

// row[w] = what windows [begin, end) of rows and all of columns add to element w of each row.
template <class T>
void spread(const Grid& g, const T* dy, int64_t begin, int64_t end, T* row) {
  std::memset(row, 0, size_t(g.w.size) * sizeof(T));
  for (int64_t u = begin; u < end; ++u)
    for (int64_t v = 0; v < g.w.count; ++v) {
      const T each = dy[u * g.w.count + v] / T(g.h.width(u) * g.w.width(v));
      for (int64_t w = g.w.begin(v); w < g.w.end(v); ++w) row[w] += each;
    }
}

template <class T>
void run_avg_backward(const OpArgs& args) {
  const Grid g(args.out[0], args.in[0]);
  for_each_plane<T>(args, g, [&](int64_t p, T* row) {
    const T* dy = args.in[0].ptr<T>() + p * g.out;
    T* dx = args.out[0].ptr<T>() + p * g.in;
    int64_t begin = 0, end = 0;  // the windows of row h
    for (int64_t h = 0; h < g.h.size; ++h, dx += g.w.size) {
      const int64_t begin_before = begin, end_before = end;
      while (g.h.end(begin) <= h) ++begin;
      while (end < g.h.count && g.h.begin(end) <= h) ++end;
      if (begin != begin_before || end != end_before) spread(g, dy, begin, end, row);
      std::memcpy(dx, row, size_t(g.w.size) * sizeof(T));
    }
  });
}

// Where the largest element of a window stands: the first of several, the last NaN. Rows without it
// are passed without a branch for each element.
template <class T>
int64_t find(const Grid& g, const T* x, T largest, int64_t u, int64_t v) {
  const bool nan = largest != largest;
  const int64_t top = g.h.begin(u), rows = g.h.width(u), left = g.w.begin(v), width = g.w.width(v);
  const auto is_it = [&](T value) { return nan ? value != value : value == largest; };
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t begin = (top + (nan ? rows - 1 - i : i)) * g.w.size + left;
    bool here = false;
    for (int64_t j = 0; j < width; ++j) here |= is_it(x[begin + j]);
    for (int64_t j = 0; here && j < width; ++j) {
      const int64_t at = begin + (nan ? width - 1 - j : j);
      if (is_it(x[at])) return at;
    }
  }
  return top * g.w.size + left;
}

template <class T>
void run_max(const OpArgs& args) {
  const Grid g(args.in[0], args.out[0]);
  for_each_plane<T>(args, g, [&](int64_t p, T* row) {
    const T* x = args.in[0].ptr<T>() + p * g.in;
    T* y = args.out[0].ptr<T>() + p * g.out;
    int64_t* index = args.out[1].ptr<int64_t>() + p * g.out;
    for (int64_t u = 0; u < g.h.count; ++u) {
      reduce_rows(Reduction::max, g, x, u, row);
      for (int64_t v = 0; v < g.w.count; ++v, ++y) {
        T largest = row[g.w.begin(v)];
        for (int64_t w = g.w.begin(v) + 1; w < g.w.end(v); ++w)
          largest = largest != largest || largest >= row[w] ? largest : row[w];
        *y = largest;
        *index++ = find(g, x, largest, u, v);
      }
    }
  });
}

int64_t row_bytes(const View& x) { return num_threads() * x.dim(-1) * item_size(x.dtype); }

}  // namespace

namespace ops {

int64_t adaptive_avg_pool2d_workspace(const OpArgs& args) { return row_bytes(args.in[0]); }

void adaptive_avg_pool2d(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_float(args.out[0].dtype, [&](auto* t) { run_avg<std::remove_pointer_t<decltype(t)>>(args); });
}

int64_t adaptive_avg_pool2d_backward_workspace(const OpArgs& args) {
  return row_bytes(args.out[0]);
}

void adaptive_avg_pool2d_backward(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_float(args.out[0].dtype,
            [&](auto* t) { run_avg_backward<std::remove_pointer_t<decltype(t)>>(args); });
}

int64_t adaptive_max_pool2d_workspace(const OpArgs& args) { return row_bytes(args.in[0]); }

void adaptive_max_pool2d(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_float(args.out[0].dtype, [&](auto* t) { run_max<std::remove_pointer_t<decltype(t)>>(args); });
}

}  // namespace ops

}  // namespace nnf
