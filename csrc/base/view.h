// What an op sees of its arguments: memory, dtype, shape, strides. Knows nothing of Python.
#pragma once

#include <cstdint>

namespace nnf {

enum class DType : uint8_t { f32, f64, i64, b8 };  // b8: bool, one byte, 0 or 1

constexpr int64_t item_size(DType t) { return t == DType::f32 ? 4 : t == DType::b8 ? 1 : 8; }

template <class T>
constexpr DType dtype_of = DType::f32;
template <>
constexpr DType dtype_of<double> = DType::f64;
template <>
constexpr DType dtype_of<int64_t> = DType::i64;
template <>
constexpr DType dtype_of<uint8_t> = DType::b8;

constexpr int kMaxDims = 12;
constexpr int kMaxArgs = 16;

struct View {
  void* data = nullptr;  // null: an optional argument that is absent
  DType dtype = DType::f32;
  int ndim = 0;
  int64_t shape[kMaxDims];
  int64_t stride[kMaxDims];  // in elements
  int64_t size = 0;          // product of shape

  explicit operator bool() const { return data != nullptr; }
  template <class T>
  T* ptr() const {
    return static_cast<T*>(data);
  }
  // dim(-1) is the last.
  int64_t dim(int i) const { return shape[i < 0 ? i + ndim : i]; }
};

struct OpInfo;

// Arguments of one call. Outputs are C-contiguous; an output may be the same memory as an input
// only where the op's record says that it mutates it.
struct OpArgs {
  const OpInfo* op;
  const View* in;
  int n_in;
  const View* out;
  int n_out;
  const void* attrs;  // the op's struct of ops/attrs.h
  void* workspace;    // as many bytes as the op's workspace function asked for, 64-byte aligned

  template <class A>
  const A& attributes() const {
    return *static_cast<const A*>(attrs);
  }
};

// Calls f with a null T* of the dtype: for_float(dtype, [&](auto* t) { using T = ...; }).
template <class F>
void for_float(DType t, F&& f) {
  if (t == DType::f64)
    f(static_cast<double*>(nullptr));
  else
    f(static_cast<float*>(nullptr));
}

// The same for a dtype that kernels know: float32, float64 or int64.
template <class F>
void for_number(DType t, F&& f) {
  if (t == DType::i64)
    f(static_cast<int64_t*>(nullptr));
  else
    for_float(t, f);
}

constexpr int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
struct Division {
  int64_t quotient, rest;
};
// i by n. Most counts are 1, and a division costs as much as a short row.
constexpr Division divide(int64_t i, int64_t n) {
  return n == 1 ? Division{i, 0} : Division{i / n, i % n};
}
constexpr int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

}  // namespace nnf
