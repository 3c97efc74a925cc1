// Classes of the core whose Python objects may lead back to them: Python's collector looks inside.
#pragma once

#include "bind/bind.h"

namespace nnf {

// For py::class_<T>, where T::each_object(f) calls f on a reference to each object that it holds.
template <class T>
pybind11::custom_type_setup collected() {
  namespace py = pybind11;
  return py::custom_type_setup([](PyHeapTypeObject* heap_type) {
    PyTypeObject* type = &heap_type->ht_type;
    type->tp_flags |= Py_TPFLAGS_HAVE_GC;
    type->tp_traverse = [](PyObject* self, visitproc visit, void* arg) {
      Py_VISIT(Py_TYPE(self));
      int stop = 0;
      if (py::detail::is_holder_constructed(self))
        py::cast<T&>(py::handle(self)).each_object([&](py::object& o) {
          if (stop == 0 && o) stop = visit(o.ptr(), arg);
        });
      return stop;
    };
    type->tp_clear = [](PyObject* self) {
      if (py::detail::is_holder_constructed(self))
        py::cast<T&>(py::handle(self)).each_object([](py::object& o) { o = py::object(); });
      return 0;
    };
  });
}

}  // namespace nnf
