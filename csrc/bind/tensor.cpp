#include "bind/tensor.h"

#include <structmember.h>

#include <cstring>

#include "bind/array.h"

namespace py = pybind11;

namespace nnf {

namespace {

PyTypeObject* tensor_type;  // nnfast.Tensor

PyObject* tensor_new(PyTypeObject* type, PyObject*, PyObject*) { return type->tp_alloc(type, 0); }

int tensor_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(tensor_of(self)->array);
  Py_VISIT(tensor_of(self)->grad);
  Py_VISIT(tensor_of(self)->node);
  Py_VISIT(tensor_of(self)->hooks);
  return 0;
}

int tensor_clear(PyObject* self) {
  Py_CLEAR(tensor_of(self)->array);
  Py_CLEAR(tensor_of(self)->grad);
  Py_CLEAR(tensor_of(self)->node);
  Py_CLEAR(tensor_of(self)->hooks);
  return 0;
}

void tensor_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (tensor_of(self)->weak_references) PyObject_ClearWeakRefs(self);
  tensor_clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

// The array, or null: while a function is traced a stand-in lies in its place.
const Array* array_or_null(PyObject* self) {
  PyObject* array = tensor_of(self)->array;
  return array && numpy().PyArray_Check_(array) ? array_of(array) : nullptr;
}

PyObject* of_stand_in(PyObject* self, const char* name) {
  PyObject* array = tensor_of(self)->array;
  if (array) return PyObject_GetAttrString(array, name);
  PyErr_SetString(PyExc_AttributeError, "the tensor has no array");
  return nullptr;
}

PyObject* get_shape(PyObject* self, void*) {
  const Array* a = array_or_null(self);
  if (!a) return of_stand_in(self, "shape");
  PyObject* shape = PyTuple_New(a->nd);
  for (int d = 0; shape && d < a->nd; ++d)
    PyTuple_SET_ITEM(shape, d, PyLong_FromSsize_t(a->dimensions[d]));
  return shape;
}

PyObject* get_dtype(PyObject* self, void*) {
  const Array* a = array_or_null(self);
  if (!a) return of_stand_in(self, "dtype");
  Py_INCREF(a->descr);
  return a->descr;
}

PyObject* get_ndim(PyObject* self, void*) {
  const Array* a = array_or_null(self);
  return a ? PyLong_FromLong(a->nd) : of_stand_in(self, "ndim");
}

// Whether the Python code that runs now is not nnfast's.
bool is_users_code() {
  PyObject* globals = PyEval_GetGlobals();
  PyObject* name = globals ? PyDict_GetItemString(globals, "__name__") : nullptr;
  const char* text = name && PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : nullptr;
  if (!text || std::strncmp(text, "nnfast", 6)) return true;
  return text[6] != '\0' && text[6] != '.';
}

// Tells who traces that the user takes or replaces the array; false with an error set if it must
// not be.
bool may_take(PyObject* self) {
  if (!mode().trace || !array_or_null(self) || !is_users_code()) return true;
  PyObject* answer = PyObject_CallMethod(mode().trace, "array_taken", "O", self);
  Py_XDECREF(answer);
  return answer;
}

PyObject* get_array(PyObject* self, void*) {
  PyObject* array = tensor_of(self)->array;
  if (!array) {
    PyErr_SetString(PyExc_AttributeError, "array");
    return nullptr;
  }
  if (!may_take(self)) return nullptr;
  ++tensor_of(self)->touched;
  Py_INCREF(array);
  return array;
}

int set_array(PyObject* self, PyObject* array, void*) {
  if (!may_take(self)) return -1;
  ++tensor_of(self)->touched;
  Py_XINCREF(array);
  Py_XSETREF(tensor_of(self)->array, array);
  return 0;
}

PyMemberDef tensor_members[] = {
    {"grad", T_OBJECT, offsetof(Tensor, grad), 0, "What `backward` has added up."},
    {"node", T_OBJECT, offsetof(Tensor, node), 0, "Made this tensor; None for a leaf."},
    {"slot", T_PYSSIZET, offsetof(Tensor, slot), 0, "As which output of its node."},
    {"hooks", T_OBJECT, offsetof(Tensor, hooks), 0, "Of a leaf: called with its gradient."},
    {"requires_grad", T_BOOL, offsetof(Tensor, requires_grad), 0, "Whether `backward` goes here."},
    {"_version", T_PYSSIZET, offsetof(Tensor, version), 0, "Counts changes in place."},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Tensor, weak_references), READONLY, nullptr},
    {},
};

PyGetSetDef tensor_properties[] = {
    {"array", get_array, set_array, "The NumPy array underneath.", nullptr},
    {"shape", get_shape, nullptr, "Sizes of the dimensions.", nullptr},
    {"dtype", get_dtype, nullptr, "Type of the elements.", nullptr},
    {"ndim", get_ndim, nullptr, "Number of dimensions.", nullptr},
    {},
};

PyType_Slot tensor_slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(tensor_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(tensor_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(tensor_traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(tensor_clear)},
    {Py_tp_members, tensor_members},
    {Py_tp_getset, tensor_properties},
    {},
};

PyType_Spec tensor_spec = {"nnfast._core.Tensor", sizeof(Tensor), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
                           tensor_slots};

PyObject* wrap_borrowed(PyObject*, PyObject* array) {
  Py_INCREF(array);
  return wrap(array);
}

PyMethodDef wrap_method = {"wrap", wrap_borrowed, METH_O,
                           "A tensor on an array as it is, without checks."};

struct PyMode {};  // its attributes are those of the calling thread

}  // namespace

bool is_tensor(PyObject* o) {
  return Py_TYPE(o) == tensor_type || PyType_IsSubtype(Py_TYPE(o), tensor_type);
}

bool is_exact_tensor(PyObject* o) { return Py_TYPE(o) == tensor_type; }

PyObject* wrap(PyObject* array) {
  if (!array) return nullptr;
  PyObject* t = tensor_type->tp_alloc(tensor_type, 0);
  if (t)
    tensor_of(t)->array = array;
  else
    Py_DECREF(array);
  return t;
}

void link(PyObject* tensor, PyObject* node, Py_ssize_t slot) {
  Tensor* t = tensor_of(tensor);
  Py_INCREF(node);
  Py_XSETREF(t->node, node);
  t->slot = slot;
  t->requires_grad = true;
}

Mode& mode() {
  thread_local Mode mode;
  return mode;
}

void bind_tensor(py::module_& m) {
  m.attr("Tensor") = py::reinterpret_steal<py::object>(PyType_FromSpec(&tensor_spec));
  m.def("set_tensor_type",
        [](py::type type) { tensor_type = reinterpret_cast<PyTypeObject*>(type.release().ptr()); });
  m.attr("wrap") = py::reinterpret_steal<py::object>(
      PyCFunction_NewEx(&wrap_method, nullptr, m.attr("__name__").ptr()));
  py::class_<PyMode>(m, "Mode")
      .def_property(
          "grad", [](PyMode&) { return mode().grad; }, [](PyMode&, bool on) { mode().grad = on; })
      .def_property(
          "trace",
          [](PyMode&) {
            return py::reinterpret_borrow<py::object>(mode().trace ? mode().trace : Py_None);
          },
          [](PyMode&, py::object f) {
            PyObject* before = mode().trace;
            mode().trace = f.is_none() ? nullptr : f.release().ptr();
            Py_XDECREF(before);
          });
  m.attr("MODE") = PyMode{};
}

}  // namespace nnf
