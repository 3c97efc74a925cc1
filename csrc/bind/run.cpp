// run(op, attrs, inputs, outputs): the one entry through which every eager op goes.
//
// A plain CPython function: it is called once per op, and argument conversion would cost more
// than a small op does.
#include "base/buffer.h"
#include "base/fpu.h"
#include "base/parallel.h"
#include "bind/bind.h"
#include "ops/registry.h"

namespace py = pybind11;

namespace nnf {

namespace {

constexpr int64_t kKeepWorkspace = 64 << 20;  // larger ones are given back after the call
constexpr int64_t kReleaseGil = 32 << 10;     // bytes touched, below which the GIL is kept

bool dtype_from_numpy(int num, DType* t) {
  switch (num) {
    case py::detail::npy_api::NPY_FLOAT_:
      *t = DType::f32;
      return true;
    case py::detail::npy_api::NPY_DOUBLE_:
      *t = DType::f64;
      return true;
    case py::detail::npy_api::NPY_LONG_:
    case py::detail::npy_api::NPY_LONGLONG_:
      *t = DType::i64;
      return num == py::detail::npy_api::NPY_LONGLONG_ || sizeof(long) == 8;
    case py::detail::npy_api::NPY_BOOL_:
      *t = DType::b8;
      return true;
    default:
      return false;
  }
}

// Fills `v` from a NumPy array; on failure sets a Python error and returns false.
bool make_view(PyObject* o, bool output, View* v) {
  if (o == Py_None && !output) return true;  // an absent optional input
  const auto& api = py::detail::npy_api::get();
  if (!api.PyArray_Check_(o)) {
    PyErr_SetString(PyExc_TypeError, "_core.run: expected a NumPy array");
    return false;
  }
  const auto* a = py::detail::array_proxy(o);
  DType dtype;
  if (!dtype_from_numpy(py::detail::array_descriptor_proxy(a->descr)->type_num, &dtype)) {
    PyErr_SetString(PyExc_TypeError, "_core.run: expected float32, float64, int64 or bool");
    return false;
  }
  const int flags = a->flags;
  const bool aligned = flags & py::detail::npy_api::NPY_ARRAY_ALIGNED_;
  const bool writable = flags & py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  const bool contiguous = flags & py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_;
  if (!aligned || a->nd > kMaxDims || (output && !(writable && contiguous))) {
    PyErr_SetString(PyExc_ValueError,
                    "_core.run: expected an aligned array of at most 12 dimensions, and a "
                    "writable contiguous one for an output");
    return false;
  }
  const int64_t item = item_size(dtype);
  *v = View{};
  v->dtype = dtype;
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

// C-contiguous copies of inputs, alive for one call.
struct Copies {
  PyObject* arrays[kMaxArgs];
  int n = 0;
  ~Copies() {
    for (int i = 0; i < n; ++i) Py_DECREF(arrays[i]);
  }
};

bool is_dense(const View& v) {
  int64_t step = 1;
  for (int d = v.ndim - 1; d >= 0; --d) {
    if (v.shape[d] != 1 && v.stride[d] != step) return v.size == 0;
    step *= v.shape[d];
  }
  return true;
}

bool make_dense(PyObject* o, View* v, Copies* copies) {
  if (!*v || is_dense(*v)) return true;
  const auto& api = py::detail::npy_api::get();
  PyObject* copy = api.PyArray_NewCopy_(o, 0);  // 0: C order
  if (!copy) return false;
  copies->arrays[copies->n++] = copy;
  return make_view(copy, false, v);
}

bool make_views(PyObject* tuple, bool output, View* views, int* n) {
  if (!PyTuple_Check(tuple) || PyTuple_GET_SIZE(tuple) > kMaxArgs) {
    PyErr_SetString(PyExc_TypeError, "_core.run: expected a tuple of at most 16 arrays");
    return false;
  }
  *n = int(PyTuple_GET_SIZE(tuple));
  for (int i = 0; i < *n; ++i)
    if (!make_view(PyTuple_GET_ITEM(tuple, i), output, &views[i])) return false;
  return true;
}

int64_t bytes_of(const View* views, int n) {
  int64_t bytes = 0;
  for (int i = 0; i < n; ++i) bytes += views[i].size * item_size(views[i].dtype);
  return bytes;
}

bool execute(const OpInfo& op, OpArgs& args) {
  thread_local Buffer buffer;
  FixedThreads threads;
  try {
    args.workspace = buffer.reserve(op.workspace ? op.workspace(args) : 0);
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
    return false;
  }
  PyThreadState* gil = bytes_of(args.in, args.n_in) + bytes_of(args.out, args.n_out) > kReleaseGil
                           ? PyEval_SaveThread()
                           : nullptr;
  {
    FlushDenormals flush;
    op.run(args);
  }
  buffer.release_above(kKeepWorkspace);
  if (gil) PyEval_RestoreThread(gil);
  return true;
}

PyObject* run(PyObject*, PyObject* const* argv, Py_ssize_t argc) {
  if (argc != 4 || !PyLong_Check(argv[0]) || !PyBytes_Check(argv[1])) {
    PyErr_SetString(PyExc_TypeError, "_core.run: expected (op, attrs, inputs, outputs)");
    return nullptr;
  }
  const long id = PyLong_AsLong(argv[0]);
  if (id < 0 || id >= op_count()) {
    PyErr_SetString(PyExc_ValueError, "_core.run: no such op");
    return nullptr;
  }
  const OpInfo& op = op_table()[id];
  if (size_t(PyBytes_GET_SIZE(argv[1])) != op.attrs_size) {
    PyErr_Format(PyExc_ValueError, "_core.run: %s expected %zu bytes of attributes, got %zd",
                 op.name, op.attrs_size, PyBytes_GET_SIZE(argv[1]));
    return nullptr;
  }
  View in[kMaxArgs], out[kMaxArgs];
  OpArgs args{&op, in, 0, out, 0, PyBytes_AS_STRING(argv[1]), nullptr};
  if (!make_views(argv[2], false, in, &args.n_in)) return nullptr;
  if (!make_views(argv[3], true, out, &args.n_out)) return nullptr;
  Copies copies;
  if (op.inputs == DENSE)
    for (int i = 0; i < args.n_in; ++i)
      if (!make_dense(PyTuple_GET_ITEM(argv[2], i), &in[i], &copies)) return nullptr;
  if (!execute(op, args)) return nullptr;
  Py_RETURN_NONE;
}

PyMethodDef run_method = {"run", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(run)),
                          METH_FASTCALL, "run(op, attrs, inputs, outputs): runs one op."};

}  // namespace

void bind_run(py::module_& m) {
  m.attr("run") = py::reinterpret_steal<py::object>(
      PyCFunction_NewEx(&run_method, nullptr, m.attr("__name__").ptr()));
  m.def("ops", [] {
    py::dict d;  // name -> (id, bytes of attributes)
    for (int i = 0; i < op_count(); ++i)
      d[op_table()[i].name] = py::make_tuple(i, op_table()[i].attrs_size);
    return d;
  });
}

}  // namespace nnf
