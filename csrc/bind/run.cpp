// How every eager op runs; and run(op, attrs, inputs, outputs), for calls without a record.
#include "bind/run.h"

#include "base/buffer.h"
#include "base/fpu.h"
#include "base/parallel.h"
#include "bind/array.h"

namespace py = pybind11;

namespace nnf {

namespace {

constexpr int64_t kKeepWorkspace = 64 << 20;  // larger ones are given back after the call
constexpr int64_t kReleaseGil = 32 << 10;     // bytes touched, below which the GIL is kept

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
  if (!takes_strides(op.inputs))
    for (int i = 0; i < args.n_in; ++i)
      if (!copies.make_dense(&in[i])) return nullptr;
  if (!run_op(op, args)) return nullptr;
  Py_RETURN_NONE;
}

// What `v` sees, in C order; a new reference, or null with an error set.
PyObject* dense_copy(const View& v) {
  static constexpr OpInfo copy{"copy", ops::copy, nullptr, 0, STRIDED, 0};
  auto array = py::reinterpret_steal<py::object>(new_array(v));
  View in = v, out;
  if (!array || !make_view(array.ptr(), true, &out)) return nullptr;
  OpArgs args{&copy, &in, 1, &out, 1, nullptr, nullptr};
  return run_op(copy, args) ? array.release().ptr() : nullptr;
}

py::object dense(const py::array& array) {
  View v;
  const bool known = make_view(array.ptr(), false, &v);
  if (!known) PyErr_Clear();  // NumPy copies what kernels cannot
  PyObject* copy = known ? dense_copy(v) : numpy().PyArray_NewCopy_(array.ptr(), 0);
  if (!copy) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(copy);
}

PyMethodDef run_method = {"run", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(run)),
                          METH_FASTCALL, "run(op, attrs, inputs, outputs): runs one op."};

}  // namespace

bool Copies::make_dense(View* v) {
  if (!*v || is_dense(*v)) return true;
  PyObject* copy = dense_copy(*v);
  if (!copy) return false;
  arrays_[n_++] = copy;
  return make_view(copy, false, v);
}

bool run_op(const OpInfo& op, OpArgs& args) {
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

void bind_run(py::module_& m) {
  m.attr("run") = py::reinterpret_steal<py::object>(
      PyCFunction_NewEx(&run_method, nullptr, m.attr("__name__").ptr()));
  m.def("dense", &dense, py::arg("array"), "A copy of an array in C order.");
  m.def("ops", [] {
    py::dict d;  // name -> (id, bytes of attributes)
    for (int i = 0; i < op_count(); ++i)
      d[op_table()[i].name] = py::make_tuple(i, op_table()[i].attrs_size);
    return d;
  });
}

}  // namespace nnf
