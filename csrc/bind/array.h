// NumPy's arrays as the core sees them: views of those that come in, fresh ones for what goes out.
#pragma once

#include <utility>

#include "base/view.h"
#include "bind/bind.h"
#include "ops/order.h"

namespace nnf {

using Array = pybind11::detail::PyArray_Proxy;

constexpr int kWritable = pybind11::detail::npy_api::NPY_ARRAY_WRITEABLE_;
constexpr int kAligned = pybind11::detail::npy_api::NPY_ARRAY_ALIGNED_;
constexpr int kContiguous = pybind11::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_;

void find_numpy();  // at import, before all others
const pybind11::detail::npy_api& numpy();

inline Array* array_of(PyObject* o) { return reinterpret_cast<Array*>(o); }
bool is_plain_array(PyObject* o);  // an ndarray itself, of no subclass

// The dtype, if kernels know it. Only of native byte order.
bool kernel_dtype(PyObject* descr, DType* t);
char dtype_kind(const Array* a);  // as np.dtype.kind

// Shape and dtype of what stands for an array while a function is traced, or of any other object
// that has them. False, with no error set, if kernels do not know them.
struct Form {
  DType dtype;
  int ndim;
  int64_t shape[kMaxDims];
};
bool read_form(PyObject* array, Form* form);

// Fills `v` from a NumPy array; on failure sets a Python error and returns false.
bool make_view(PyObject* o, bool output, View* v);
bool is_dense(const View& v);

// All return a new reference, or null with a Python error set.
// Of that shape and dtype, not filled; in C order, or with its dimensions so in memory.
PyObject* new_array(const View& like, const Order& order = {});
void fill_zero(PyObject* array);  // of new_array
PyObject* zero_dim(DType t, double value, int64_t integer);
PyObject* view_of(PyObject* array, int ndim, const Py_intptr_t* shape, const Py_intptr_t* strides,
                  char* data, bool writable);

// The addresses of the first byte of an array and behind its last.
std::pair<Py_ssize_t, Py_ssize_t> bounds(const pybind11::array& array);

}  // namespace nnf
