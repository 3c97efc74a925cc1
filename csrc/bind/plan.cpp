// Plan: made once from lists that nnfast/graph/plan.py prepares, run with one call.
#include <algorithm>

#include "bind/bound_plan.h"
#include "ops/conv_choice.h"

namespace py = pybind11;

namespace nnf {

namespace {

View of_shape(const Shape& shape) {
  View v{};
  v.ndim = int(std::min(shape.size(), size_t(kMaxDims)));
  v.size = 1;
  for (int d = 0; d < v.ndim; ++d) v.size *= v.shape[d] = shape[size_t(d)];
  return v;
}

std::string algorithm(int op, const std::string& attrs, const std::vector<Shape>& inputs,
                      const Shape& output) {
  if (op < 0 || op >= op_count() || attrs.size() != op_table()[op].attrs_size || inputs.empty())
    throw py::value_error("_core.algorithm: no such call");
  std::vector<View> in;
  for (const Shape& shape : inputs) in.push_back(of_shape(shape));
  const View out = of_shape(output);
  return conv_algorithm(
      {&op_table()[op], in.data(), int(in.size()), &out, 1, attrs.data(), nullptr});
}

}  // namespace

void bind_plan(py::module_& m) {
  py::class_<Arenas, std::shared_ptr<Arenas>>(m, "Arenas",
                                              "Memory for plans: as many blocks as run at once.")
      .def(py::init<>());
  py::class_<BoundPlan>(m, "Plan", "A planned list of instructions; see nnfast/graph/plan.py.")
      .def(py::init<const std::vector<CallSpec>&, const std::vector<OperandSpec>&,
                    const std::vector<ExternalSpec>&, py::list, int64_t, std::shared_ptr<Arenas>,
                    int, const std::vector<int>&, int, int64_t, const std::vector<int>&>(),
           py::arg("calls"), py::arg("operands"), py::arg("externals"), py::arg("tensors"),
           py::arg("arena"), py::arg("arenas"), py::arg("commit"), py::arg("watched"),
           py::arg("prologue"), py::arg("kept"), py::arg("sources"))
      .def_readwrite("timed", &BoundPlan::timed, "Whether runs add to `seconds`.")
      .def_readonly("timed_runs", &BoundPlan::timed_runs)
      .def_property_readonly(
          "seconds",
          [](const BoundPlan& p) {
            return py::array_t<double>(py::ssize_t(p.seconds.size()), p.seconds.data());
          },
          "Of each instruction, in all timed runs together.")
      .def("replay", &BoundPlan::replay, py::arg("arrays"), py::arg("visit"),
           "Run without committing; visit(i, inputs, outputs) after each instruction, with copies "
           "of its arrays, until it returns True.")
      .def("fits", py::overload_cast<>(&BoundPlan::fits, py::const_),
           "Whether the arrays of `tensors` are what the plan was made for.")
      .def("workspace", &BoundPlan::workspace, "Bytes, with the present number of threads.");
  m.def("algorithm", &algorithm, py::arg("op"), py::arg("attrs"), py::arg("inputs"),
        py::arg("output"),
        "How a call on arrays of such shapes is computed; '' where there is one way only.");
  m.def(
      "takes_strides", [](int op) { return op_table()[op].inputs == STRIDED; },
      "Whether an op reads inputs of any strides, or C-contiguous ones only.");
  m.def(
      "is_map", [](int op) { return op_table()[op].run == ops::map; },
      "Whether an op is elementwise, so that its output may lie in the memory of an input.");
}

}  // namespace nnf
