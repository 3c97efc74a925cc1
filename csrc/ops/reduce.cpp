// Reductions over any set of dimensions of a dense tensor.
//
// Dimensions are joined into runs that are alternately kept and reduced. The order of additions
// depends on the shape alone: rows are cut into parts of fixed length whose results are combined
// in order.
#include <type_traits>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/attrs.h"
#include "ops/registry.h"

namespace nnf {

namespace {

constexpr int64_t kPart = 8192;  // elements of a row, or rows of columns times width, per part

// Runs of dimensions from the outermost; the last is always there, maybe of size 1.
struct Runs {
  int n = 0;
  int64_t size[kMaxDims + 1];
  bool reduced[kMaxDims + 1];
};

Runs make_runs(const View& x, int64_t dims) {
  Runs r;
  for (int d = 0; d < x.ndim; ++d) {
    if (x.shape[d] == 1) continue;
    const bool reduced = dims >> d & 1;
    if (r.n > 0 && r.reduced[r.n - 1] == reduced) {
      r.size[r.n - 1] *= x.shape[d];
    } else {
      r.size[r.n] = x.shape[d];
      r.reduced[r.n++] = reduced;
    }
  }
  if (r.n == 0) r.size[0] = x.size ? 1 : 0, r.reduced[0] = true, r.n = 1;
  return r;
}

// The innermost run and the one around it make a matrix; a reduced innermost run is reduced by
// rows, a kept one by columns. The runs outside are walked one by one.
struct Plan {
  Runs runs;
  bool by_rows;
  int64_t inner;    // elements of the innermost run
  int64_t rows;     // of the reduced run that one part is cut from (by columns)
  int64_t parts;    // per output (by rows) or per strip of columns
  int64_t lines;    // reduced combinations of the outer runs: lines that make one output
  int64_t outputs;  // outputs (by rows) or groups of `inner` outputs (by columns)
};

Plan make_plan(const View& x, int64_t dims) {
  Plan p;
  p.runs = make_runs(x, dims);
  const Runs& r = p.runs;
  p.by_rows = r.reduced[r.n - 1];
  p.inner = r.size[r.n - 1];
  // By columns the reduced run just outside becomes the rows of one matrix.
  const bool matrix = !p.by_rows && r.n >= 2;
  p.rows = p.by_rows ? 1 : matrix ? r.size[r.n - 2] : 1;
  p.lines = p.outputs = 1;
  for (int i = 0; i < r.n - 1 - (matrix ? 1 : 0); ++i)
    (r.reduced[i] ? p.lines : p.outputs) *= r.size[i];
  if (p.by_rows) {
    p.parts = ceil_div(p.inner, kPart);
  } else {
    const int64_t rows_per_part = p.inner > 0 && p.inner < kPart ? kPart / p.inner : 1;
    p.parts = ceil_div(p.rows, rows_per_part < 16 ? 16 : rows_per_part);
  }
  if (p.parts < 1) p.parts = 1;
  return p;
}

int64_t rows_per_part(const Plan& p) { return ceil_div(p.rows, p.parts); }

// Offset of line `line` (of the reduced outer runs) of output group `output`.
int64_t offset_of(const Plan& p, int64_t output, int64_t line) {
  const Runs& r = p.runs;
  int64_t offset = 0, step = p.inner * p.rows;
  for (int i = r.n - (p.rows > 1 || (!p.by_rows && r.n >= 2) ? 3 : 2); i >= 0; --i) {
    int64_t& index = r.reduced[i] ? line : output;
    offset += index % r.size[i] * step;
    index /= r.size[i];
    step *= r.size[i];
  }
  return offset;
}

// What the parts of all lines leave, to be combined: (outputs, lines * parts, width).
int64_t partials(const Plan& p) {
  return p.outputs * p.lines * p.parts * (p.by_rows ? 1 : p.inner);
}

template <class T>
void run_reduce(const OpArgs& args, Reduction how) {
  const View &x = args.in[0], &y = args.out[0];
  const Plan p = make_plan(x, args.attributes<ReduceAttrs>().dims);
  const auto& kn = kernels<T>();
  T* out = y.ptr<T>();
  if (y.size == 0) return;
  if (x.size == 0) {  // only a sum can be empty: the records refuse the others
    for (int64_t i = 0; i < y.size; ++i) out[i] = T(0);
    return;
  }
  const int64_t pieces = p.lines * p.parts, width = p.by_rows ? 1 : p.inner;
  T* part = pieces == 1 ? out : static_cast<T*>(args.workspace);
  // Tasks of at least kPart elements: several small outputs together.
  const int64_t piece_size = ceil_div(x.size, p.outputs * pieces);
  const int64_t group = piece_size < kPart ? kPart / piece_size : 1;
  const int64_t count = p.outputs * pieces;
  parallel_for(ceil_div(count, group), double(x.size), [&](int64_t task, int) {
    const int64_t end = (task + 1) * group < count ? (task + 1) * group : count;
    for (int64_t i = task * group; i < end; ++i) {
      const int64_t output = i / pieces, line = i % pieces / p.parts, k = i % p.parts;
      const T* src = x.ptr<T>() + offset_of(p, output, line);
      if (p.by_rows) {
        const int64_t n = p.inner - k * kPart < kPart ? p.inner - k * kPart : kPart;
        part[i] = kn.reduce_rows(how, 1, src + k * kPart, 0, n);
      } else {
        const int64_t step = rows_per_part(p), r0 = k * step;
        const int64_t rows = p.rows - r0 < step ? p.rows - r0 : step;
        kn.reduce_cols(how, rows < 0 ? 0 : rows, src + r0 * p.inner, p.inner, p.inner,
                       part + i * width);
      }
    }
  });
  if (pieces == 1) return;
  parallel_for(ceil_div(p.outputs, kPart), double(count) * width, [&](int64_t task, int) {
    const int64_t end = (task + 1) * kPart < p.outputs ? (task + 1) * kPart : p.outputs;
    for (int64_t o = task * kPart; o < end; ++o) {
      const T* src = part + o * pieces * width;
      if (width == 1)
        out[o] = kn.reduce_rows(how, 1, src, 0, pieces);
      else
        kn.reduce_cols(how, pieces, src, width, width, out + o * width);
    }
  });
}

void reduce(const OpArgs& args, Reduction how) {
  switch (args.out[0].dtype) {
    case DType::f32:
      return run_reduce<float>(args, how);
    case DType::f64:
      return run_reduce<double>(args, how);
    default:
      return run_reduce<int64_t>(args, how);
  }
}

int64_t reduce_workspace(const OpArgs& args) {
  const Plan p = make_plan(args.in[0], args.attributes<ReduceAttrs>().dims);
  return partials(p) * item_size(args.out[0].dtype);
}

// x as (outer, n, inner) around the one reduced dimension.
template <class T>
void run_arg(const OpArgs& args, Reduction how) {
  const View& x = args.in[0];
  const int64_t dim = args.attributes<ArgAttrs>().dim;
  int64_t outer = 1, n = 1, inner = 1;
  for (int d = 0; d < x.ndim; ++d) (d < dim ? outer : d == dim ? n : inner) *= x.shape[d];
  int64_t* index = args.out[0].ptr<int64_t>();
  T* scratch = static_cast<T*>(args.workspace);
  const auto& kn = kernels<T>();
  const int64_t group = n * inner < kPart && n * inner > 0 ? kPart / (n * inner) : 1;
  if (args.out[0].size == 0) return;
  parallel_for(ceil_div(outer, group), double(x.size), [&](int64_t task, int) {
    const int64_t end = (task + 1) * group < outer ? (task + 1) * group : outer;
    for (int64_t o = task * group; o < end; ++o) {
      const T* src = x.ptr<T>() + o * n * inner;
      if (inner == 1)
        index[o] = kn.arg_row(how, n, src, scratch + o);
      else
        kn.arg_cols(how, n, src, inner, inner, scratch + o * inner, index + o * inner);
    }
  });
}

void arg(const OpArgs& args, Reduction how) {
  switch (args.in[0].dtype) {
    case DType::f32:
      return run_arg<float>(args, how);
    case DType::f64:
      return run_arg<double>(args, how);
    default:
      return run_arg<int64_t>(args, how);
  }
}

int64_t arg_workspace(const OpArgs& args) { return args.out[0].size * 8; }

}  // namespace

namespace ops {

void sum(const OpArgs& args) { reduce(args, Reduction::sum); }
int64_t sum_workspace(const OpArgs& args) { return reduce_workspace(args); }
void amax(const OpArgs& args) { reduce(args, Reduction::max); }
int64_t amax_workspace(const OpArgs& args) { return reduce_workspace(args); }
void amin(const OpArgs& args) { reduce(args, Reduction::min); }
int64_t amin_workspace(const OpArgs& args) { return reduce_workspace(args); }
void argmax(const OpArgs& args) { arg(args, Reduction::max); }
int64_t argmax_workspace(const OpArgs& args) { return arg_workspace(args); }
void argmin(const OpArgs& args) { arg(args, Reduction::min); }
int64_t argmin_workspace(const OpArgs& args) { return arg_workspace(args); }

}  // namespace ops

}  // namespace nnf
