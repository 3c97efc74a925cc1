// Bindings by subject; module.cpp calls each.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

namespace nnf {

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
