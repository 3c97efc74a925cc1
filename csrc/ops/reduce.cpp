// Sums, means, products, maxima and minima over any dimensions, and where the extremes of one
// stand.
//
// The input is cut, by its shape alone, into chunks: up to 8192 elements of rows, or 128 rows of
// columns, so that a lane or column adds at most 128 values (rows of float64: 256). Chunks are
// reduced side by side; their results are then combined in halves. So an element of a sum is behind
// at most 256 + 6 + log2(chunks) roundings, and its bits depend on neither threads nor ISA.
#include <cstring>
#include <type_traits>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/attrs.h"
#include "ops/registry.h"

namespace nnf {

namespace {

constexpr int64_t kChunk = 8192;      // elements of rows reduced by one call
constexpr int64_t kChunkRows = 128;   // rows of columns
constexpr int64_t kStrip = 1024;      // columns
constexpr int64_t kLanes = 64;        // virtual lanes of float: shorter rows leave some idle
constexpr int64_t kTaskWork = 16384;  // elements a task takes in
constexpr double kAdd = 0.25;         // work of an element

struct Dim {
  int64_t size, stride;
};

// Dimensions in order, the last the fastest; an index of all is taken apart from the end.
struct Dims {
  Dim dim[kMaxDims];
  int n = 0;

  void push(Dim d) { dim[n++] = d; }
  Dim pop() { return n ? dim[--n] : Dim{1, 0}; }
  int64_t count() const {
    int64_t c = 1;
    for (int i = 0; i < n; ++i) c *= dim[i].size;
    return c;
  }
  int64_t offset(int64_t index) const {
    int64_t at = 0;
    for (int i = n - 1; i > 0; --i) {
      at += index % dim[i].size * dim[i].stride;
      index /= dim[i].size;
    }
    return n ? at + index * dim[0].stride : 0;
  }
};

// How the work is cut. The innermost run of dimensions is reduced (then a result is one element)
// or kept (then results are rows of `width`).
struct Plan {
  bool rows = false;   // the innermost run is reduced
  int64_t inner = 1;   // its elements
  Dims kept, reduced;  // the runs outside it, without `row`
  Dim row{1, 0};       // the last reduced run outside it
  int64_t width = 1, strips = 1;
  int64_t chunk_rows = 1, row_chunks = 1, inner_chunks = 1;
  int64_t results = 1, chunks = 1;  // chunks of one result
};

Plan make_plan(const View& x, int64_t mask) {
  Plan p;
  Dims runs;
  bool reduced[kMaxDims] = {};
  int64_t stride = x.size;
  for (int d = 0; d < x.ndim; ++d) {
    const bool r = mask >> d & 1;
    if (x.shape[d] == 1) continue;
    stride /= x.shape[d];
    if (runs.n && reduced[runs.n - 1] == r) {
      Dim& run = runs.dim[runs.n - 1];
      run = {run.size * x.shape[d], stride};
    } else {
      reduced[runs.n] = r;
      runs.push({x.shape[d], stride});
    }
  }
  if (runs.n) {
    p.rows = reduced[runs.n - 1];
    p.inner = runs.pop().size;
  }
  for (int i = 0; i < runs.n; ++i) (reduced[i] ? p.reduced : p.kept).push(runs.dim[i]);
  p.row = p.reduced.pop();
  p.width = p.rows ? 1 : p.inner;
  p.strips = ceil_div(p.width, kStrip);
  p.chunk_rows = p.rows ? most(1, kChunk / round_up(p.inner, kLanes)) : kChunkRows;
  p.row_chunks = ceil_div(p.row.size, p.chunk_rows);
  p.inner_chunks = p.rows ? ceil_div(p.inner, kChunk) : 1;
  p.results = p.kept.count();
  p.chunks = p.reduced.count() * p.row_chunks * p.inner_chunks;
  return p;
}

// Chunk i of all results' chunks in order, its strip s, to y.
template <class T>
void reduce_chunk(const Plan& p, Reduction how, const T* x, int64_t i, int64_t s, T* y) {
  const Division result = divide(i, p.chunks), part = divide(result.rest, p.inner_chunks);
  const Division line = divide(part.quotient, p.row_chunks);
  const int64_t row = line.rest * p.chunk_rows, rows = least(p.chunk_rows, p.row.size - row);
  const int64_t inner = part.rest * kChunk + s * kStrip;
  x += p.kept.offset(result.quotient) + p.reduced.offset(line.quotient);
  x += row * p.row.stride + inner;
  if (p.rows)
    *y = kernels<T>().reduce_rows(how, rows, x, p.row.stride, least(kChunk, p.inner - inner));
  else
    kernels<T>().reduce_cols(how, rows, x, p.row.stride, least(kStrip, p.inner - inner), y + inner);
}

// y = the reduction of the n partial results of `width` elements, in halves; overwrites them.
template <class T>
void combine(Reduction how, int64_t n, int64_t width, T* partial, T* y) {
  const Map map = how == Reduction::max       ? Map::maximum
                  : how == Reduction::min     ? Map::minimum
                  : how == Reduction::product ? Map::mul
                                              : Map::add;
  while (n > 1) {
    const int64_t half = (n + 1) / 2;
    T* out = half == 1 ? y : partial;
    kernels<T>().map[int(map)](
        {(n - half) * width, partial, partial + half * width, nullptr, 1, 1, 0, out, {0, 0}});
    n = half;
  }
}

// Results of one row each, `many` from `first` on, to y: by runs of the last kept dimension.
template <class T>
void reduce_short(const Plan& p, Reduction how, const T* x, int64_t first, int64_t many, T* y) {
  const Dim run = p.kept.n ? p.kept.dim[p.kept.n - 1] : Dim{1, 0};
  for (int64_t i = first; i < first + many;) {
    const int64_t count = least(first + many - i, run.size - i % run.size);
    kernels<T>().reduce_each(how, count, run.stride, p.inner, x + p.kept.offset(i), y + i);
    i += count;
  }
}

template <class T>
void reduce_as(const OpArgs& args, Reduction how) {
  const View &x = args.in[0], &y = args.out[0];
  if (y.size == 0) return;
  if (x.size == 0) {
    for (int64_t i = 0; i < y.size; ++i) y.ptr<T>()[i] = T(how == Reduction::product);
    return;
  }
  const Plan p = make_plan(x, args.attributes<ReduceAttrs>().dims);
  const bool direct = p.chunks == 1;
  T* to = direct ? y.ptr<T>() : static_cast<T*>(args.workspace);
  const int64_t units = p.results * p.chunks * p.strips;
  const int64_t group = most(1, kTaskWork / ceil_div(x.size, units));
  const bool one_row = p.rows && direct && p.row.size == 1;
  parallel_for(ceil_div(units, group), kAdd * double(x.size), [&](int64_t task, int) {
    if (one_row)
      return reduce_short<T>(p, how, x.ptr<T>(), task * group, least(group, units - task * group),
                             to);
    for (int64_t u = task * group; u < least(units, (task + 1) * group); ++u) {
      const Division at = divide(u, p.strips);
      reduce_chunk<T>(p, how, x.ptr<T>(), at.quotient, at.rest, to + at.quotient * p.width);
    }
  });
  if (direct) return;
  parallel_for(p.results, double(p.results * p.chunks * p.width), [&](int64_t r, int) {
    combine<T>(how, p.chunks, p.width, to + r * p.chunks * p.width, y.ptr<T>() + r * p.width);
  });
}

void reduce(const OpArgs& args, Reduction how) {
  for_number(args.in[0].dtype,
             [&](auto* t) { reduce_as<std::remove_pointer_t<decltype(t)>>(args, how); });
}

// y = y / n, the elements of x behind each.
template <class T>
void divide_by_count(const View& x, const View& y) {
  const T n = T(double(x.size) / double(y.size));
  parallel_for(ceil_div(y.size, kTaskWork), double(y.size), [&](int64_t task, int) {
    T* p = y.ptr<T>() + task * kTaskWork;
    const int64_t count = least(kTaskWork, y.size - task * kTaskWork);
    kernels<T>().map[int(Map::div)]({count, p, &n, nullptr, 1, 0, 0, p, {0, 0}});
  });
}

int64_t reduce_workspace(const OpArgs& args) {
  const View& x = args.in[0];
  if (x.size == 0) return 0;
  const Plan p = make_plan(x, args.attributes<ReduceAttrs>().dims);
  return p.chunks == 1 ? 0 : p.results * p.chunks * p.width * item_size(x.dtype);
}

// x is (outer, n, inner) around the one reduced dimension.
template <class T>
void arg_as(const OpArgs& args, Reduction how) {
  const View &x = args.in[0], &index = args.out[0];
  if (index.size == 0) return;
  const int64_t dim = args.attributes<ArgAttrs>().dim;
  int64_t n = 1, inner = 1;
  for (int d = x.ndim - 1; d >= dim; --d) (d == dim ? n : inner) *= x.shape[d];
  T* values = args.n_out > 1 ? args.out[1].ptr<T>() : static_cast<T*>(args.workspace);
  const auto& kn = kernels<T>();
  const int64_t strips = ceil_div(inner, kStrip), units = index.size / inner * strips;
  const int64_t group = most(1, kTaskWork / ceil_div(x.size, units));
  parallel_for(ceil_div(units, group), double(x.size), [&](int64_t task, int) {
    const int64_t first = task * group, end = least(units, first + group);
    if (inner == 1)
      return kn.arg_rows(how, end - first, n, x.ptr<T>() + first * n, values + first,
                         index.ptr<int64_t>() + first);
    for (int64_t u = first; u < end; ++u) {
      const int64_t outer = u / strips, j = u % strips * kStrip, to = outer * inner + j;
      const T* p = x.ptr<T>() + outer * n * inner + j;
      kn.arg_cols(how, n, p, inner, least(kStrip, inner - j), values + to,
                  index.ptr<int64_t>() + to);
    }
  });
}

void arg(const OpArgs& args, Reduction how) {
  for_number(args.in[0].dtype,
             [&](auto* t) { arg_as<std::remove_pointer_t<decltype(t)>>(args, how); });
}

}  // namespace

namespace ops {

void sum(const OpArgs& args) { reduce(args, Reduction::sum); }
void mean(const OpArgs& args) {
  const View &x = args.in[0], &y = args.out[0];
  reduce(args, Reduction::sum);
  for_float(y.dtype, [&](auto* t) { divide_by_count<std::remove_pointer_t<decltype(t)>>(x, y); });
}
void amax(const OpArgs& args) { reduce(args, Reduction::max); }
void amin(const OpArgs& args) { reduce(args, Reduction::min); }
void prod(const OpArgs& args) { reduce(args, Reduction::product); }
void sum_squares(const OpArgs& args) { reduce(args, Reduction::squares); }
int64_t sum_workspace(const OpArgs& args) { return reduce_workspace(args); }
int64_t mean_workspace(const OpArgs& args) { return reduce_workspace(args); }
int64_t amax_workspace(const OpArgs& args) { return reduce_workspace(args); }
int64_t amin_workspace(const OpArgs& args) { return reduce_workspace(args); }
int64_t prod_workspace(const OpArgs& args) { return reduce_workspace(args); }
int64_t sum_squares_workspace(const OpArgs& args) { return reduce_workspace(args); }

// Workspace: the extremes themselves, if they are no output.
int64_t argmax_workspace(const OpArgs& args) {
  return args.n_out > 1 ? 0 : args.out[0].size * item_size(args.in[0].dtype);
}
int64_t argmin_workspace(const OpArgs& args) { return argmax_workspace(args); }
void argmax(const OpArgs& args) { arg(args, Reduction::max); }
void argmin(const OpArgs& args) { arg(args, Reduction::min); }

}  // namespace ops

}  // namespace nnf
