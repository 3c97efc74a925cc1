// Plan: made once from lists that nnfast/graph/plan.py prepares, run with one call.
#include <algorithm>
#include <numeric>
#include <optional>

#include "bind/bound_plan.h"
#include "ops/conv_choice.h"
#include "ops/order.h"

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

// Shape and strides of an input, in bytes: they are compared alone.
using Layout = std::optional<std::pair<Shape, Shape>>;

// How an op runs in the order of memory (ops/order.h): the orders of inputs and outputs, and its
// attributes; None if it runs as it is.
py::object memory_order(int op, const std::string& attrs, const std::vector<Layout>& inputs,
                        const Shape& output) {
  if (op < 0 || op >= op_count() || attrs.size() != op_table()[op].attrs_size)
    throw py::value_error("_core.memory_order: no such call");
  View in[kMaxArgs];
  const size_t n = std::min(inputs.size(), size_t(kMaxArgs));
  for (size_t k = 0; k < n; ++k) {
    if (!inputs[k]) continue;
    in[k] = of_shape(inputs[k]->first);
    in[k].data = in;  // any but null
    std::copy_n(inputs[k]->second.begin(), in[k].ndim, in[k].stride);
  }
  const Turned t = turned(op_table()[op], in, int(n), of_shape(output), attrs.data());
  if (!t.inputs) return py::none();
  auto list = [](const Order& order) {
    return std::vector<int>(order.dim, order.dim + order.ndim);
  };
  const char* packed = reinterpret_cast<const char*>(t.attrs);
  return py::make_tuple(list(t.inputs), list(t.outputs), py::bytes(packed, attrs.size()));
}

// (bytes, first, last): memory that is used from call `first` to call `last`.
using BlockSpec = std::tuple<int64_t, int, int>;

// Offsets for blocks, the largest first, each at the lowest place that is free all its time; and
// how many bytes that takes.
std::pair<std::vector<int64_t>, int64_t> place(const std::vector<BlockSpec>& blocks) {
  struct Placed {
    int64_t begin, end;
    int first, last;
  };
  std::vector<size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::get<0>(blocks[a]) > std::get<0>(blocks[b]);
  });
  std::vector<Placed> placed;  // by begin
  std::vector<int64_t> offsets(blocks.size());
  int64_t total = 0;
  for (size_t i : order) {
    const auto& [bytes, first, last] = blocks[i];
    int64_t at = 0;
    for (const Placed& p : placed) {
      if (p.first > last || p.last < first) continue;
      if (p.begin - at >= bytes) break;
      at = std::max(at, p.end);
    }
    offsets[i] = at;
    total = std::max(total, at + bytes);
    auto next = std::upper_bound(placed.begin(), placed.end(), at,
                                 [](int64_t begin, const Placed& p) { return begin < p.begin; });
    placed.insert(next, {at, at + bytes, first, last});
  }
  return {offsets, total};
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
      .def(py::init<const BoundPlan&, py::list, const std::vector<ShapeSpec>&,
                    const std::vector<std::pair<int, py::bytes>>&>(),
           py::arg("like"), py::arg("tensors"), py::arg("shapes"), py::arg("attrs"))
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
  m.def("memory_order", &memory_order, py::arg("op"), py::arg("attrs"), py::arg("inputs"),
        py::arg("output"),
        "(orders of the dimensions of inputs and of outputs, attributes) in which a call runs, as "
        "its inputs, (shape, strides) or None, lie in memory; None: as it is.");
  m.def("place", &place, py::arg("blocks"),
        "Offsets for blocks (bytes, first, last), and how many bytes they take together: two "
        "overlap only if the calls from first to last, at which they are used, do not.");
  m.def(
      "takes_strides", [](int op) { return takes_strides(op_table()[op].inputs); },
      "Whether an op reads inputs of any strides, or C-contiguous ones only.");
  m.def(
      "is_map", [](int op) { return op_table()[op].run == ops::map; },
      "Whether an op is elementwise, so that its output may lie in the memory of an input.");
}

}  // namespace nnf
