// Elementwise ops with broadcasting: any strides in, contiguous out.
#include <type_traits>

#include "kernels/table.h"
#include "ops/attrs.h"
#include "ops/registry.h"
#include "ops/strided.h"

namespace nnf {

namespace {

constexpr double kMapCost = 4;    // a transcendental function costs about that many adds
constexpr int64_t kGather = 256;  // strided inputs are gathered into runs of that length

// An input of a run: contiguous (step 1), one scalar (step 0), or gathered into a buffer.
template <class T>
struct Run {
  const T* base = nullptr;
  int64_t stride = 0;
  T buffer[kGather];

  bool strided() const { return stride != 0 && stride != 1; }
  int step() const { return stride != 0; }
  const T* at(int64_t i, int64_t n) {
    if (!strided()) return base + i * stride;
    for (int64_t j = 0; j < n; ++j) buffer[j] = base[(i + j) * stride];
    return buffer;
  }
};

// Cuts a run into pieces of kGather elements if any of its inputs must be gathered.
template <class F, class... R>
void for_pieces(int64_t n, F&& f, R&... runs) {
  const int64_t piece = (runs.strided() || ...) ? kGather : n;
  for (int64_t i = 0; i < n; i += piece) f(i, n - i < piece ? n - i : piece);
}

template <class T>
void run_map(const OpArgs& args) {
  const auto kernel = kernels<T>().map[args.op->variant];
  const auto& attrs = args.attributes<MapAttrs>();
  const View& y = args.out[0];
  const Walk w = make_walk(y, args.in, args.n_in);
  for_runs(w, kMapCost, [&](int64_t n, const int64_t* offset, int64_t out) {
    Run<T> in[3];
    for (int k = 0; k < args.n_in; ++k) {
      in[k].base = args.in[k].ptr<T>() + offset[k];
      in[k].stride = w.stride[k][w.ndim - 1];
    }
    for_pieces(
        n,
        [&](int64_t i, int64_t m) {
          kernel({m,
                  in[0].at(i, m),
                  in[1].at(i, m),
                  in[2].at(i, m),
                  in[0].step(),
                  in[1].step(),
                  in[2].step(),
                  y.ptr<T>() + out + i,
                  {attrs.p[0], attrs.p[1]}});
        },
        in[0], in[1], in[2]);
  });
}

template <class T>
void run_compare(const OpArgs& args) {
  const auto kernel = kernels<T>().compare[args.op->variant];
  const Walk w = make_walk(args.out[0], args.in, 2);
  for_runs(w, 1, [&](int64_t n, const int64_t* offset, int64_t out) {
    Run<T> a, b;
    a.base = args.in[0].ptr<T>() + offset[0], a.stride = w.stride[0][w.ndim - 1];
    b.base = args.in[1].ptr<T>() + offset[1], b.stride = w.stride[1][w.ndim - 1];
    uint8_t* y = args.out[0].ptr<uint8_t>() + out;
    for_pieces(
        n,
        [&](int64_t i, int64_t m) { kernel(m, a.at(i, m), a.step(), b.at(i, m), b.step(), y + i); },
        a, b);
  });
}

template <class T>
void run_where(const OpArgs& args) {
  const Walk w = make_walk(args.out[0], args.in, 3);
  for_runs(w, 1, [&](int64_t n, const int64_t* offset, int64_t out) {
    Run<uint8_t> c;
    Run<T> a, b;
    c.base = args.in[0].ptr<uint8_t>() + offset[0], c.stride = w.stride[0][w.ndim - 1];
    a.base = args.in[1].ptr<T>() + offset[1], a.stride = w.stride[1][w.ndim - 1];
    b.base = args.in[2].ptr<T>() + offset[2], b.stride = w.stride[2][w.ndim - 1];
    T* y = args.out[0].ptr<T>() + out;
    for_pieces(
        n,
        [&](int64_t i, int64_t m) {
          kernels<T>().where(m, c.at(i, m), c.step(), a.at(i, m), a.step(), b.at(i, m), b.step(),
                             y + i);
        },
        c, a, b);
  });
}

template <class From, class To>
void run_cast(const OpArgs& args) {
  const Walk w = make_walk(args.out[0], args.in, 1);
  for_runs(w, 1, [&](int64_t n, const int64_t* offset, int64_t out) {
    const From* x = args.in[0].ptr<From>() + offset[0];
    const int64_t stride = w.stride[0][w.ndim - 1];
    To* y = args.out[0].ptr<To>() + out;
    for (int64_t i = 0; i < n; ++i) {
      if constexpr (dtype_of<To> == DType::b8)
        y[i] = x[i * stride] != 0;
      else
        y[i] = static_cast<To>(x[i * stride]);
    }
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

template <class F>
void for_number(DType t, F&& f) {
  for_dtype(t, [&](auto* p) {
    if constexpr (sizeof *p > 1) f(p);
  });
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

void where(const OpArgs& args) {
  for_number(args.out[0].dtype, [&](auto* t) { run_where<pointee<decltype(t)>>(args); });
}

void cast(const OpArgs& args) {
  for_dtype(args.in[0].dtype, [&](auto* from) {
    for_dtype(args.out[0].dtype,
              [&](auto* to) { run_cast<pointee<decltype(from)>, pointee<decltype(to)>>(args); });
  });
}

}  // namespace ops

}  // namespace nnf
