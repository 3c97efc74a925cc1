#include "bind/array.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <tuple>

#include "base/parallel.h"
#include "bind/labels.h"
#include "bind/memory.h"
#include "kernels/table.h"

namespace py = pybind11;

namespace nnf {

bool all_below(int64_t size, const int64_t* labels, uint64_t n) {
  constexpr int64_t kPart = 65536;
  const int64_t all_of = int64_t(n <= INT64_MAX ? n : uint64_t(1) << 63);  // wraps around at n - 1
  std::atomic<bool> all{true};
  parallel_for(ceil_div(size, kPart), 0.25 * double(size), [&](int64_t task, int) {
    const int64_t i = task * kPart;
    if (!kernels<int64_t>().all_exist(least(kPart, size - i), labels + i, all_of))
      all.store(false, std::memory_order_relaxed);
  });
  return all.load();
}

namespace {

using Api = py::detail::npy_api;

const Api* api;
PyObject* dtypes[4];  // by DType

bool is_dtype(PyObject* descr, DType t) { return descr == dtypes[int(t)]; }

bool dtype_from_number(int num, DType* t) {
  switch (num) {
    case Api::NPY_FLOAT_:
      *t = DType::f32;
      return true;
    case Api::NPY_DOUBLE_:
      *t = DType::f64;
      return true;
    case Api::NPY_LONG_:
    case Api::NPY_LONGLONG_:
      *t = DType::i64;
      return num == Api::NPY_LONGLONG_ || sizeof(long) == 8;
    case Api::NPY_BOOL_:
      *t = DType::b8;
      return true;
    default:
      return false;
  }
}

// all_below(labels, n): whether all of int64 `labels` are at least 0 and below n.
PyObject* all_below(PyObject*, PyObject* const* argv, Py_ssize_t argc) {
  View v;
  if (argc != 2 || argv[0] == Py_None) {
    PyErr_SetString(PyExc_TypeError, "all_below: expected (labels, n)");
    return nullptr;
  }
  const uint64_t n = PyLong_AsUnsignedLongLong(argv[1]);
  if (PyErr_Occurred() || !make_view(argv[0], false, &v)) return nullptr;
  py::object copy;  // in C order, if it is not in that order already
  if (!is_dense(v)) {
    copy = py::reinterpret_steal<py::object>(api->PyArray_NewCopy_(argv[0], 0));
    if (!copy || !make_view(copy.ptr(), false, &v)) return nullptr;
  }
  if (v.dtype != DType::i64) {
    PyErr_SetString(PyExc_TypeError, "all_below: expected int64");
    return nullptr;
  }
  return PyBool_FromLong(nnf::all_below(v.size, v.ptr<int64_t>(), n));
}

// Whether a changed array lies in the memory of another.
bool share_memory(const std::vector<std::pair<py::array, bool>>& arrays) {
  struct Range {
    py::ssize_t first, end;
    bool changed;
  };
  std::vector<Range> ranges;
  for (const auto& [array, changed] : arrays) {
    const auto [first, end] = bounds(array);
    ranges.push_back({first, end, changed});
  }
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
    return std::tie(a.first, a.end) < std::tie(b.first, b.end);
  });
  py::ssize_t end = 0, end_changed = 0;  // of all so far, and of those that are changed
  for (const Range& r : ranges) {
    if (r.first < (r.changed ? end : end_changed)) return true;
    end = std::max(end, r.end);
    if (r.changed) end_changed = std::max(end_changed, r.end);
  }
  return false;
}

PyMethodDef all_below_method = {
    "all_below", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(all_below)), METH_FASTCALL,
    "all_below(labels, n): whether all of int64 `labels` are at least 0 and below n."};

}  // namespace

std::pair<Py_ssize_t, Py_ssize_t> bounds(const py::array& array) {
  auto first = reinterpret_cast<py::ssize_t>(array.data()), last = first;
  if (array.size() == 0) return {first, last};
  for (int d = 0; d < array.ndim(); ++d)
    (array.strides(d) < 0 ? first : last) += (array.shape(d) - 1) * array.strides(d);
  return {first, last + array.itemsize()};
}

void find_numpy() {
  api = &Api::get();
  for (int i = 0; i < 4; ++i) {
    constexpr int numbers[] = {Api::NPY_FLOAT_, Api::NPY_DOUBLE_, Api::NPY_INT64_, Api::NPY_BOOL_};
    dtypes[i] = api->PyArray_DescrFromType_(numbers[i]);
  }
}

const Api& numpy() { return *api; }

bool is_plain_array(PyObject* o) { return o && Py_TYPE(o) == api->PyArray_Type_; }

bool kernel_dtype(PyObject* descr, DType* t) {
  for (DType known : {DType::f32, DType::f64, DType::i64, DType::b8})
    if (is_dtype(descr, known)) {
      *t = known;
      return true;
    }
  return dtype_from_number(py::detail::array_descriptor_proxy(descr)->type_num, t);
}

char dtype_kind(const Array* a) { return py::detail::array_descriptor_proxy(a->descr)->kind; }

bool read_form(PyObject* array, Form* form) {
  auto dtype = py::reinterpret_steal<py::object>(PyObject_GetAttrString(array, "dtype"));
  auto shape = py::reinterpret_steal<py::object>(PyObject_GetAttrString(array, "shape"));
  const bool known = dtype && shape && api->PyArrayDescr_Check_(dtype.ptr()) &&
                     kernel_dtype(dtype.ptr(), &form->dtype) && PyTuple_CheckExact(shape.ptr()) &&
                     PyTuple_GET_SIZE(shape.ptr()) <= kMaxDims;
  form->ndim = known ? int(PyTuple_GET_SIZE(shape.ptr())) : 0;
  for (int d = 0; d < form->ndim; ++d)
    form->shape[d] = PyLong_AsLongLong(PyTuple_GET_ITEM(shape.ptr(), d));
  if (PyErr_Occurred()) return PyErr_Clear(), false;
  return known;
}

bool make_view(PyObject* o, bool output, View* v) {
  if (o == Py_None && !output) return true;  // an absent optional input
  if (!api->PyArray_Check_(o)) {
    PyErr_SetString(PyExc_TypeError, "_core.run: expected a NumPy array");
    return false;
  }
  const Array* a = array_of(o);
  if (!kernel_dtype(a->descr, &v->dtype)) {
    PyErr_SetString(PyExc_TypeError, "_core.run: expected float32, float64, int64 or bool");
    return false;
  }
  const bool contiguous = a->flags & kContiguous, writable = a->flags & kWritable;
  if (!(a->flags & kAligned) || a->nd > kMaxDims || (output && !(writable && contiguous))) {
    PyErr_SetString(PyExc_ValueError,
                    "_core.run: expected an aligned array of at most 12 dimensions, and a "
                    "writable contiguous one for an output");
    return false;
  }
  const int64_t item = item_size(v->dtype);
  v->data = a->data;
  v->ndim = a->nd;
  v->size = 1;
  for (int d = 0; d < a->nd; ++d) {
    v->shape[d] = a->dimensions[d];
    v->size *= a->dimensions[d];
    if (a->strides[d] % item) {
      PyErr_SetString(PyExc_ValueError, "_core.run: expected strides in whole elements");
      return false;
    }
    v->stride[d] = a->strides[d] / item;
  }
  return true;
}

bool is_dense(const View& v) {
  int64_t step = 1;
  for (int d = v.ndim - 1; d >= 0; --d) {
    if (v.shape[d] != 1 && v.stride[d] != step) return v.size == 0;
    step *= v.shape[d];
  }
  return true;
}

PyObject* new_array(const View& like, const Order& order) {
  static_assert(sizeof(Py_intptr_t) == sizeof(int64_t));
  PyObject* descr = dtypes[int(like.dtype)];
  int64_t bytes = item_size(like.dtype);
  for (int d = 0; d < like.ndim; ++d)
    if (__builtin_mul_overflow(bytes, like.shape[d], &bytes)) bytes = 0;  // NumPy will complain
  void* data = is_pooled(bytes) ? pool_take(bytes) : nullptr;
  if (!data && PyErr_Occurred()) return nullptr;
  Py_INCREF(descr);
  Py_intptr_t strides[kMaxDims], step = item_size(like.dtype);
  for (int i = order.ndim - 1; i >= 0; step *= like.shape[order.dim[i--]])
    strides[order.dim[i]] = step;
  PyObject* array = api->PyArray_NewFromDescr_(
      api->PyArray_Type_, descr, like.ndim, reinterpret_cast<const Py_intptr_t*>(like.shape),
      order ? strides : nullptr, data, data ? kContiguous | kAligned | kWritable : 0, nullptr);
  if (data && array) own(array);
  if (data && !array) pool_give(data);
  return array;
}

void fill_zero(PyObject* array) {
  Array* a = array_of(array);
  View v;
  if (make_view(array, true, &v)) std::memset(a->data, 0, size_t(v.size * item_size(v.dtype)));
}

PyObject* zero_dim(DType t, double value, int64_t integer) {
  View v;
  v.dtype = t;
  PyObject* array = new_array(v);
  if (!array) return nullptr;
  void* data = array_of(array)->data;
  if (t == DType::f32)
    *static_cast<float*>(data) = float(value);
  else if (t == DType::f64)
    *static_cast<double*>(data) = value;
  else
    *static_cast<int64_t*>(data) = integer;
  return array;
}

PyObject* view_of(PyObject* array, int ndim, const Py_intptr_t* shape, const Py_intptr_t* strides,
                  char* data, bool writable) {
  PyObject* descr = array_of(array)->descr;
  Py_INCREF(descr);
  PyObject* view = api->PyArray_NewFromDescr_(api->PyArray_Type_, descr, ndim, shape, strides, data,
                                              writable ? kWritable : 0, nullptr);
  if (!view) return nullptr;
  Py_INCREF(array);
  if (api->PyArray_SetBaseObject_(view, array) == 0) return view;
  Py_DECREF(view);
  return nullptr;
}

void bind_array(py::module_& m) {
  m.attr("all_below") = py::reinterpret_steal<py::object>(
      PyCFunction_NewEx(&all_below_method, nullptr, m.attr("__name__").ptr()));
  m.def("share_memory", &share_memory, py::arg("arrays"),
        "Whether, of pairs of an array and whether it is changed, a changed one lies in the memory "
        "of another.");
  m.def("bounds", &bounds, py::arg("array"),
        "The addresses of the first byte of an array and behind its last.");
}

}  // namespace nnf
