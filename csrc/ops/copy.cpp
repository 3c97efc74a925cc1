// Copies into contiguous memory.
//   copy: (x), any strides -> the same elements in C order
//   cat:  (x0, x1, ...) -> all of them, one behind the other along a dimension; some may be absent
#include <cstring>
#include <type_traits>

#include "kernels/table.h"
#include "ops/any_dtype.h"
#include "ops/attrs.h"
#include "ops/past_caches.h"
#include "ops/registry.h"
#include "ops/strided.h"

namespace nnf {

namespace {

constexpr int64_t kTile = 128;      // rows and columns that are transposed at once
constexpr int64_t kTurned = 32768;  // elements of a task of tiles, about
constexpr int64_t kLineBytes = 64;
constexpr int64_t kLong = 1024;  // bytes from which on the C library copies a row as fast or faster

template <class T>
constexpr bool kHasKernels = !std::is_same_v<T, uint8_t>;  // bool has none

template <class T>
void copy_rows(int64_t rows, int64_t n, const T* x, int64_t stride, int64_t row_stride, T* y,
               int64_t ldy, bool past) {
  if (n == 1) {
    for (int64_t r = 0; r < rows; ++r) y[r * ldy] = x[r * row_stride];
    return;
  }
  if (stride == 1 && !past && n * int64_t(sizeof(T)) >= kLong) {
    for (int64_t r = 0; r < rows; ++r)
      std::memcpy(y + r * ldy, x + r * row_stride, size_t(n) * sizeof(T));
    return;
  }
  if constexpr (kHasKernels<T>) {
    if (stride == 0 || stride == 1) {
      MapArgs<T> g{};
      g.rows = rows, g.n = n;
      g.a = x, g.sa = int(stride), g.ra = row_stride;
      g.y = y, g.ry = ldy;
      g.past_caches = past;
      return kernels<T>().copy(g);
    }
  }
  for (int64_t r = 0; r < rows; ++r, x += row_stride, y += ldy)
    for (int64_t i = 0; i < n; ++i) y[i] = x[i * stride];
}

// The dimension along which elements of the input are neighbours, if that is not the last one.
int turned_dim(const Walk& w) {
  if (w.stride[0][w.ndim - 1] == 0 || w.stride[0][w.ndim - 1] == 1) return -1;
  for (int d = w.ndim - 2; d >= 0; --d)
    if (w.stride[0][d] == 1) return d;
  return -1;
}

// The matrices of dimension `turned` and the last one, tile by tile.
struct Tiles {
  const Walk& w;
  int turned;
  int64_t n, m, ldx, ldy, matrices = 1, across, down;

  Tiles(const Walk& w, int turned)
      : w(w), turned(turned), n(w.inner), m(w.shape[turned]), ldx(w.stride[0][w.ndim - 1]), ldy(n) {
    for (int d = w.ndim - 2; d > turned; --d) ldy *= w.shape[d];
    for (int d = 0; d < w.ndim - 1; ++d) matrices *= d == turned ? 1 : w.shape[d];
    across = ceil_div(n, kTile), down = ceil_div(m, kTile);
  }
  int64_t count() const { return matrices * across * down; }
  int64_t items() const { return least(n, kTile) * least(m, kTile); }

  struct Tile {
    int64_t n, m, from, to;
  };
  Tile operator[](int64_t t) const {
    const Division column = divide(t, across), row = divide(column.quotient, down);
    const int64_t i = column.rest * kTile, j = row.rest * kTile;
    Tile tile{least(n - i, kTile), least(m - j, kTile), i * ldx + j, j * ldy + i};
    int64_t index = row.quotient, size = n;
    for (int d = w.ndim - 2; d >= 0; size *= w.shape[d--]) {
      if (d == turned) continue;
      const Division at = divide(index, w.shape[d]);
      tile.from += at.rest * w.stride[0][d];
      tile.to += at.rest * size;
      index = at.quotient;
    }
    return tile;
  }
};

template <class T>
void copy_turned(const Tiles& tiles, const T* x, T* y, bool past) {
  const int64_t count = tiles.count(), step = ceil_div(kTurned, tiles.items());
  parallel_for(ceil_div(count, step), double(count) * tiles.items(), [&](int64_t task, int) {
    const int64_t end = least((task + 1) * step, count);
    for (int64_t t = task * step; t < end; ++t) {
      const Tiles::Tile tile = tiles[t];
      if (past && t + 1 < count) {  // the processor does not foresee these lines
        const Tiles::Tile next = tiles[t + 1];
        for (int64_t i = 0; i < next.n; ++i)
          for (int64_t j = 0; j < next.m; j += kLineBytes / int64_t(sizeof(T)))
            __builtin_prefetch(x + next.from + i * tiles.ldx + j);
      }
      kernels<T>().copy_transposed(tile.n, tile.m, x + tile.from, tiles.ldx, y + tile.to, tiles.ldy,
                                   past);
    }
  });
}

template <class T>
void run_copy(const OpArgs& args) {
  const Walk w = make_walk(args.out[0], args.in, 1);
  const T* x = args.in[0].ptr<T>();
  T* y = args.out[0].ptr<T>();
  const bool past = past_caches(args);
  if constexpr (kHasKernels<T>) {
    const int turned = turned_dim(w);
    if (turned >= 0 && args.out[0].size > 0) return copy_turned(Tiles(w, turned), x, y, past);
  }
  const int64_t stride = w.stride[0][w.ndim - 1],
                row_stride = w.ndim > 1 ? w.stride[0][w.ndim - 2] : 0;
  for_rows(w, 1, [&](int64_t rows, int64_t n, const int64_t* offset, int64_t out) {
    copy_rows(rows, n, x + offset[0], stride, row_stride, y + out, n, past);
  });
}

// An array of cat as a matrix: its columns are the elements that lie together.
struct Matrix {
  int64_t rows = 1, n = 1;

  Matrix(const View& x, int64_t dim) {
    if (!x) n = 0;  // absent
    for (int d = 0; d < x.ndim; ++d) (d < dim ? rows : n) *= x.shape[d];
  }
};

// Tasks are blocks of the output, so that threads do not write into each other's lines.
template <class T>
void run_cat(const OpArgs& args) {
  const int64_t dim = args.attributes<CatAttrs>().dim;
  const bool past = past_caches(args);
  const Matrix y(args.out[0], dim);
  const int64_t width = most(least(y.n, kWalkBlock), 1), step = kWalkBlock / width;
  const int64_t across = ceil_div(y.n, width);
  parallel_for(ceil_div(y.rows, step) * across, double(args.out[0].size), [&](int64_t task, int) {
    const int64_t row = task / across * step, rows = least(step, y.rows - row);
    const int64_t first = task % across * width, last = least(first + width, y.n);
    int64_t at = 0;  // the input's first column
    for (int k = 0; k < args.n_in && at < last; ++k) {
      const int64_t n = Matrix(args.in[k], dim).n;
      const int64_t from = most(first, at), to = least(last, at + n);
      if (from < to)
        copy_rows(rows, to - from, args.in[k].ptr<T>() + row * n + from - at, 1, n,
                  args.out[0].ptr<T>() + row * y.n + from, y.n, past);
      at += n;
    }
  });
}

}  // namespace

namespace ops {

void copy(const OpArgs& args) {
  for_any(args.out[0].dtype, [&](auto* t) { run_copy<std::remove_pointer_t<decltype(t)>>(args); });
}

void cat(const OpArgs& args) {
  for_any(args.out[0].dtype, [&](auto* t) { run_cat<std::remove_pointer_t<decltype(t)>>(args); });
}

}  // namespace ops

}  // namespace nnf
