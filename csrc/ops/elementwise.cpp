// Elementwise ops with broadcasting: any strides in, contiguous out.
#include <cstring>
#include <type_traits>

#include "kernels/table.h"
#include "ops/attrs.h"
#include "ops/past_caches.h"
#include "ops/registry.h"
#include "ops/strided.h"

namespace nnf {

namespace {

constexpr double kMapCost = 4;  // of a transcendental function
constexpr double kShortCost = 0.5;
constexpr int64_t kGather = 2048;  // strided inputs are gathered into blocks of that size,
constexpr int64_t kSquare = 32;    // near squares where rows are neighbours: they share lines,
constexpr int64_t kTile = 128;     // out of blocks of so many rows
constexpr int64_t kFew = 8;        // of a side: less would leave vectors empty

// An input of a block of rows: contiguous rows (step 1), one scalar a row (step 0), or gathered
// into a buffer.
template <class T>
struct Rows {
  const T* base = nullptr;
  int64_t stride = 0, row_stride = 0;  // in elements
  bool gather = false;
  T buffer[kGather];

  // Input k of a walk.
  void set(const View& x, const Walk& w, int k, int64_t offset) {
    base = x.ptr<T>() + offset;
    stride = w.stride[k][w.ndim - 1];
    row_stride = w.ndim > 1 ? w.stride[k][w.ndim - 2] : 0;
    gather = stride != 0 && stride != 1;
  }
  int step() const { return stride != 0; }
  // From one row of the n elements that at() gave to the next.
  int64_t next(int64_t n) const { return gather ? n : row_stride; }
  const T* at(int64_t row, int64_t rows, int64_t i, int64_t n) {
    const T* x = base + row * row_stride + i * stride;
    if (!gather) return x;
    if constexpr (!std::is_same_v<T, uint8_t>) {  // bools have no kernels
      if (is_turned(rows, n)) {
        kernels<T>().copy_transposed(n, rows, x, stride, buffer, n, false);
        return buffer;
      }
    }
    T* to = buffer;
    for (int64_t r = 0; r < rows; ++r, x += row_stride)
      for (int64_t j = 0; j < n; ++j) *to++ = x[j * stride];
    return buffer;
  }
  bool is_turned(int64_t rows, int64_t n) const {
    return gather && row_stride == 1 && (rows >= kFew || (n >= kFew && rows == stride));
  }
  // Whether rows of the n elements that at() gave are as one.
  bool is_run(int64_t n) const { return stride == 0 ? row_stride == 0 : next(n) == n; }
};

// Walks in blocks that are narrow where an input is turned, so that its rows share lines.
Walk walk(const OpArgs& args) {
  Walk w = make_walk(args.out[0], args.in, args.n_in);
  if (args.out[0].size == 0) return w;
  for (int k = 0; k < w.n_in && w.ndim > 1; ++k)
    if (w.stride[k][w.ndim - 2] == 1 && w.stride[k][w.ndim - 1] > 1)
      w.width = kWalkBlock / least(w.shape[w.ndim - 2], kTile);
  return w;
}

// Calls f(row, rows, i, n) for the block: at once, or in pieces of kGather elements at most.
template <class F, class... R>
void for_pieces(int64_t rows, int64_t n, F&& f, const R&... in) {
  if (!(in.gather || ...)) return f(0, rows, 0, n);
  const int64_t edge = (in.is_turned(rows, n) || ...) ? most(kSquare, kGather / rows) : kGather;
  const int64_t piece = n < edge ? n : edge, step = kGather / piece;
  for (int64_t row = 0; row < rows; row += step)
    for (int64_t i = 0; i < n; i += piece)
      f(row, rows - row < step ? rows - row : step, i, n - i < piece ? n - i : piece);
}

// Of a few instructions. Behind longer ones the processor sees few of the loads to come, and what
// it would fetch by itself is held up by stores past the caches: with them they took twice as long.
bool is_short(Map map) {
  switch (map) {
    case Map::add:
    case Map::sub:
    case Map::mul:
    case Map::div:
    case Map::neg:
    case Map::maximum:
    case Map::minimum:
    case Map::abs:
    case Map::sign:
    case Map::clip:
    case Map::sqrt:
    case Map::cube:
    case Map::addcmul:
    case Map::floor:
    case Map::ceil:
    case Map::trunc:
    case Map::round:
    case Map::frac:
    case Map::hardtanh_backward:
    case Map::relu:
    case Map::relu_backward:
    case Map::leaky_relu:
    case Map::leaky_relu_backward:
    case Map::sigmoid_backward:
    case Map::tanh_backward:
      return true;
    default:
      return false;
  }
}

template <class T>
void run_map(const OpArgs& args) {
  const auto kernel = kernels<T>().map[args.op->variant];
  const auto& attrs = args.attributes<MapAttrs>();
  const Walk w = walk(args);
  const bool simple = is_short(Map(args.op->variant)), past = simple && past_caches(args);
  for_rows(w, simple ? kShortCost : kMapCost,
           [&](int64_t rows, int64_t n, const int64_t* offset, int64_t out) {
             Rows<T> in[3];
             for (int k = 0; k < args.n_in; ++k) in[k].set(args.in[k], w, k, offset[k]);
             T* const y = args.out[0].ptr<T>() + out;
             const auto piece = [&](int64_t row, int64_t m, int64_t i, int64_t k) {
               MapArgs<T> g;
               g.n = k, g.rows = m;
               g.a = in[0].at(row, m, i, k), g.sa = in[0].step(), g.ra = in[0].next(k);
               g.b = in[1].at(row, m, i, k), g.sb = in[1].step(), g.rb = in[1].next(k);
               g.c = in[2].at(row, m, i, k), g.sc = in[2].step(), g.rc = in[2].next(k);
               g.y = y + row * w.inner + i, g.ry = w.inner;
               g.p[0] = attrs.p[0], g.p[1] = attrs.p[1];
               g.past_caches = past;
               if (k == w.inner && in[0].is_run(k) && in[1].is_run(k) && in[2].is_run(k))
                 g.n = m * k, g.rows = 1;
               kernel(g);
             };
             for_pieces(rows, n, piece, in[0], in[1], in[2]);
           });
}

template <class T>
void run_compare(const OpArgs& args) {
  const auto kernel = kernels<T>().compare[args.op->variant];
  const Walk w = walk(args);
  for_rows(w, 1, [&](int64_t rows, int64_t n, const int64_t* offset, int64_t out) {
    Rows<T> a, b;
    a.set(args.in[0], w, 0, offset[0]), b.set(args.in[1], w, 1, offset[1]);
    uint8_t* const y = args.out[0].ptr<uint8_t>() + out;
    const auto piece = [&](int64_t row, int64_t m, int64_t i, int64_t k) {
      const T *pa = a.at(row, m, i, k), *pb = b.at(row, m, i, k);
      for (int64_t r = 0; r < m; ++r, pa += a.next(k), pb += b.next(k))
        kernel(k, pa, a.step(), pb, b.step(), y + (row + r) * w.inner + i);
    };
    for_pieces(rows, n, piece, a, b);
  });
}

// y = f(a, b) of rows of bools, several at a time; steps as in MapArgs.
typedef uint64_t Bools __attribute__((vector_size(16)));

template <class F>
void logic_row(int64_t n, const uint8_t* a, int sa, const uint8_t* b, int sb, uint8_t* y, F f) {
  constexpr int64_t kBytes = sizeof(Bools);
  const uint64_t each = 0x0101010101010101;
  auto loop = [&](auto left, auto right) {
    int64_t i = 0;
    for (; i + kBytes <= n; i += kBytes) {
      const Bools r = f(left(i), right(i));
      std::memcpy(y + i, &r, sizeof r);
    }
    for (; i < n; ++i) y[i] = uint8_t(f(a[i * sa], b[i * sb]));
  };
  auto run = [](const uint8_t* p) {
    return [p](int64_t i) {
      Bools v;
      std::memcpy(&v, p + i, sizeof v);
      return v;
    };
  };
  auto one = [each](const uint8_t* p) {
    const Bools v = Bools{} + *p * each;
    return [v](int64_t) { return v; };
  };
  if (sa && sb) return loop(run(a), run(b));
  if (sa) return loop(run(a), one(b));
  if (sb) return loop(one(a), run(b));
  loop(one(a), one(b));
}

template <class F>
void run_logic(const OpArgs& args, F f) {
  const Walk w = walk(args);
  for_rows(w, 0.25, [&](int64_t rows, int64_t n, const int64_t* offset, int64_t out) {
    Rows<uint8_t> a, b;
    a.set(args.in[0], w, 0, offset[0]), b.set(args.in[1], w, 1, offset[1]);
    uint8_t* const y = args.out[0].ptr<uint8_t>() + out;
    const auto piece = [&](int64_t row, int64_t m, int64_t i, int64_t k) {
      const uint8_t *pa = a.at(row, m, i, k), *pb = b.at(row, m, i, k);
      for (int64_t r = 0; r < m; ++r, pa += a.next(k), pb += b.next(k))
        logic_row(k, pa, a.step(), pb, b.step(), y + (row + r) * w.inner + i, f);
    };
    for_pieces(rows, n, piece, a, b);
  });
}

template <class T>
void run_where(const OpArgs& args) {
  const Walk w = walk(args);
  for_rows(w, 1, [&](int64_t rows, int64_t n, const int64_t* offset, int64_t out) {
    Rows<uint8_t> c;
    Rows<T> a, b;
    c.set(args.in[0], w, 0, offset[0]), a.set(args.in[1], w, 1, offset[1]);
    b.set(args.in[2], w, 2, offset[2]);
    T* const y = args.out[0].ptr<T>() + out;
    const auto piece = [&](int64_t row, int64_t m, int64_t i, int64_t k) {
      const uint8_t* pc = c.at(row, m, i, k);
      const T *pa = a.at(row, m, i, k), *pb = b.at(row, m, i, k);
      for (int64_t r = 0; r < m; ++r, pc += c.next(k), pa += a.next(k), pb += b.next(k))
        kernels<T>().where(k, pc, c.step(), pa, a.step(), pb, b.step(),
                           y + (row + r) * w.inner + i);
    };
    for_pieces(rows, n, piece, c, a, b);
  });
}

void cast_row(int64_t n, const uint8_t* x, DType to, void* y) {
  if (to == DType::f32) return kernels<float>().cast_bool(n, x, static_cast<float*>(y));
  if (to == DType::f64) return kernels<double>().cast_bool(n, x, static_cast<double*>(y));
  if (to == DType::i64) return kernels<int64_t>().cast_bool(n, x, static_cast<int64_t*>(y));
  std::memcpy(y, x, size_t(n));
}
template <class T>
void cast_row(int64_t n, const T* x, DType to, void* y) {
  kernels<T>().cast(n, x, to, y);
}

template <class From>
void run_cast(const OpArgs& args) {
  const View& y = args.out[0];
  const Walk w = walk(args);
  for_rows(w, 1, [&](int64_t rows, int64_t n, const int64_t* offset, int64_t out) {
    Rows<From> x;
    x.set(args.in[0], w, 0, offset[0]);
    x.gather = x.stride != 1;  // one value for all is none to the kernel
    const auto piece = [&](int64_t row, int64_t m, int64_t i, int64_t k) {
      const From* p = x.at(row, m, i, k);
      for (int64_t r = 0; r < m; ++r, p += x.next(k))
        cast_row(k, p, y.dtype,
                 y.ptr<uint8_t>() + (out + (row + r) * w.inner + i) * item_size(y.dtype));
    };
    for_pieces(rows, n, piece, x);
  });
}

template <class F>
void for_dtype(DType t, F&& f) {
  switch (t) {
    case DType::f32:
      return f(static_cast<float*>(nullptr));
    case DType::f64:
      return f(static_cast<double*>(nullptr));
    case DType::i64:
      return f(static_cast<int64_t*>(nullptr));
    case DType::b8:
      return f(static_cast<uint8_t*>(nullptr));
  }
}

template <class P>
using pointee = std::remove_pointer_t<P>;

}  // namespace

namespace ops {

void map(const OpArgs& args) {
  for_number(args.out[0].dtype, [&](auto* t) { run_map<pointee<decltype(t)>>(args); });
}

void compare(const OpArgs& args) {
  for_number(args.in[0].dtype, [&](auto* t) { run_compare<pointee<decltype(t)>>(args); });
}

void logic(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  switch (args.attributes<LogicAttrs>().function) {
    case Logic::conjunction:
      return run_logic(args, [](auto a, auto b) { return a & b; });
    case Logic::disjunction:
      return run_logic(args, [](auto a, auto b) { return a | b; });
    case Logic::difference:
      return run_logic(args, [](auto a, auto b) { return a ^ b; });
  }
}

void where(const OpArgs& args) {
  for_number(args.out[0].dtype, [&](auto* t) { run_where<pointee<decltype(t)>>(args); });
}

void cast(const OpArgs& args) {
  for_dtype(args.in[0].dtype, [&](auto* from) { run_cast<pointee<decltype(from)>>(args); });
}

}  // namespace ops

}  // namespace nnf
