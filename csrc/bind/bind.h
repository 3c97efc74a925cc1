// Bindings by subject; module.cpp calls each.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <new>

namespace nnf {

// What f returns; null with a Python error set if it throws. For functions that Python calls
// itself.
template <class F>
PyObject* translated(F f) {
  try {
    return f();
  } catch (pybind11::error_already_set& error) {
    error.restore();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  }
  return nullptr;
}

void bind_run(pybind11::module_& m);
void bind_array(pybind11::module_& m);
void bind_call(pybind11::module_& m);
void bind_guards(pybind11::module_& m);
void bind_memory(pybind11::module_& m);
void bind_tensor(pybind11::module_& m);
void bind_node(pybind11::module_& m);
void bind_op(pybind11::module_& m);
void bind_config(pybind11::module_& m);
void bind_plan(pybind11::module_& m);
void bind_probe(pybind11::module_& m);
void bind_values(pybind11::module_& m);
void bind_trace(pybind11::module_& m);
void bind_alike(pybind11::module_& m);
void bind_where(pybind11::module_& m);

}  // namespace nnf
