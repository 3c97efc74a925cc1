#include "bind/node.h"

#include <structmember.h>

#include <new>
#include <unordered_map>

#include "bind/array.h"
#include "bind/tensor.h"

namespace py = pybind11;

namespace nnf {

namespace {

PyTypeObject* node_type;
Py_ssize_t count;

// Of memory that was written to in place: the number of the first node after the latest time. Who
// gets the same memory later cannot be known to a node with a smaller number, so nothing is erased.
std::unordered_map<const void*, Py_ssize_t>& writes() {
  static auto* all = new std::unordered_map<const void*, Py_ssize_t>;
  return *all;
}

// Where the memory begins that a view of it shares.
const void* memory_of(PyObject* array) {
  while (array_of(array)->base && numpy().PyArray_Check_(array_of(array)->base))
    array = array_of(array)->base;
  return array_of(array)->data;
}

bool written_since(PyObject* array, Py_ssize_t number) {
  if (!array || !numpy().PyArray_Check_(array)) return false;
  auto found = writes().find(memory_of(array));
  return found != writes().end() && found->second > number;
}

int node_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(node_of(self)->hooks);
  for (Py_ssize_t i = 0; i < Py_SIZE(self); ++i) Py_VISIT(node_of(self)->links[i].to);
  return 0;
}

int node_clear(PyObject* self) {
  Py_CLEAR(node_of(self)->hooks);
  for (Py_ssize_t i = 0; i < Py_SIZE(self); ++i) Py_CLEAR(node_of(self)->links[i].to);
  return 0;
}

void node_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  Py_TRASHCAN_BEGIN(self, node_dealloc);  // a chain of nodes may be long
  node_clear(self);
  node_of(self)->signature.~shared_ptr();
  Py_DECREF(node_of(self)->op);
  type->tp_free(self);
  Py_DECREF(type);
  Py_TRASHCAN_END;
}

PyObject* borrowed_or_none(PyObject* o) {
  PyObject* result = o ? o : Py_None;
  Py_INCREF(result);
  return result;
}

// (node, slot), a leaf, or None.
PyObject* edge_object(const Link& edge) {
  if (!edge.to || Py_TYPE(edge.to) != node_type) return borrowed_or_none(edge.to);
  return Py_BuildValue("(On)", edge.to, edge.number);
}

PyObject* get_edges(PyObject* self, void*) {
  Node* node = node_of(self);
  PyObject* all = PyList_New(node->op->n_inputs);
  for (int i = 0; all && i < node->op->n_inputs; ++i) {
    PyObject* edge = edge_object(node->edges()[i]);
    if (!edge) Py_CLEAR(all);
    if (edge) PyList_SET_ITEM(all, i, edge);
  }
  return all;
}

PyObject* get_attrs(PyObject* self, void*) {
  return node_of(self)->signature->attrs.inc_ref().ptr();
}
PyObject* get_specs(PyObject* self, void*) {
  return node_of(self)->signature->specs.inc_ref().ptr();
}

PyObject* free_saved(PyObject* self, PyObject*) {
  Node* node = node_of(self);
  node->freed = true;
  for (size_t k = 0; k < node->saved_count(); ++k) Py_CLEAR(node->saved()[k].to);
  Py_RETURN_NONE;
}

PyObject* changed(PyObject* self, PyObject*) {
  Node* node = node_of(self);
  for (size_t k = 0; k < node->saves->inputs.size(); ++k) {
    const Link& saved = node->saved()[k];
    if (saved.to && tensor_of(saved.to)->version != saved.number) return borrowed_or_none(saved.to);
  }
  for (size_t k = 0; !writes().empty() && k < node->saved_count(); ++k) {
    PyObject* x = node->saved()[k].to;
    if (x && written_since(is_tensor(x) ? tensor_of(x)->array : x, node->number))
      return borrowed_or_none(x);
  }
  Py_RETURN_NONE;
}

// ---- gradients ---------------------------------------------------------------------------------

const Link* find_saved(Node* node, const std::vector<uint8_t>& places, size_t first, long i) {
  for (size_t k = 0; k < places.size(); ++k)
    if (places[k] == i) return node->saved() + first + k;
  PyErr_SetString(PyExc_KeyError, "a value that was not saved");
  return nullptr;
}

PyObject* saved_input(Node* node, long i) {
  const Link* saved = find_saved(node, node->saves->inputs, 0, i);
  return saved ? borrowed_or_none(saved->to) : nullptr;
}

// A saved output, as a tensor with its history.
PyObject* saved_output(Node* node, long i) {
  const Link* saved = find_saved(node, node->saves->outputs, node->saves->inputs.size(), i);
  if (!saved) return nullptr;
  PyObject* y = wrap(borrowed_or_none(saved->to));
  if (y && node->op->differentiable >> i & 1) link(y, reinterpret_cast<PyObject*>(node), i);
  return y;
}

PyObject* output_gradient(Node* node, PyObject* dys, long i) {
  PyObject* dy = PyList_GetItem(dys, i);
  if (!dy || dy != Py_None) return dy ? borrowed_or_none(dy) : nullptr;
  PyObject* zeros = new_array(node->signature->outputs[size_t(i)]);
  if (zeros) fill_zero(zeros);
  return wrap(zeros);
}

PyObject* item(PyObject* tuple, long i) {
  PyObject* x = PyTuple_Check(tuple) ? PyTuple_GetItem(tuple, i) : nullptr;
  if (!x && !PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "expected a tuple of attributes");
  return x ? borrowed_or_none(x) : nullptr;
}

// What a gradient rule asks for, as `Needs` of record.py numbers it.
PyObject* argument(Node* node, PyObject* dys, long where, long i) {
  const Signature& s = *node->signature;
  switch (where) {
    case 0:
      return saved_input(node, i);
    case 1:
      return saved_output(node, i);
    case 2:
      return output_gradient(node, dys, i);
    case 3:
      return item(s.shapes.ptr(), i);
    case 4:
      return borrowed_or_none(s.attrs.ptr());
    default:
      return item(s.attrs.ptr(), i);
  }
}

// rule = (fn, ((where, which), ...)): what fn answers.
py::object apply(Node* node, PyObject* rule, PyObject* dys) {
  PyObject* needs = PyTuple_GET_ITEM(rule, 1);
  const Py_ssize_t n = PyTuple_GET_SIZE(needs);
  std::vector<py::object> arguments(static_cast<size_t>(n));
  PyObject* stack[2 * kMaxArgs];
  for (Py_ssize_t k = 0; k < n; ++k) {
    PyObject* need = PyTuple_GET_ITEM(needs, k);
    arguments[size_t(k)] = py::reinterpret_steal<py::object>(
        argument(node, dys, PyLong_AsLong(PyTuple_GET_ITEM(need, 0)),
                 PyLong_AsLong(PyTuple_GET_ITEM(need, 1))));
    stack[k] = arguments[size_t(k)].ptr();
    if (!stack[k]) return {};
  }
  return py::reinterpret_steal<py::object>(
      PyObject_Vectorcall(PyTuple_GET_ITEM(rule, 0), stack, size_t(n), nullptr));
}

bool add_pair(PyObject* pairs, PyObject* edge, PyObject* grad) {
  if (edge == Py_None || grad == Py_None) return true;
  auto pair = py::reinterpret_steal<py::object>(PyTuple_Pack(2, edge, grad));
  return pair && PyList_Append(pairs, pair.ptr()) == 0;
}

// pull(rules, joint, dys, edges): pairs of an edge that is not None and its gradient.
PyObject* pull(PyObject* self, PyObject* const* argv, Py_ssize_t argc) {
  if (argc != 4) {
    PyErr_SetString(PyExc_TypeError, "pull: expected (rules, joint, dys, edges)");
    return nullptr;
  }
  Node* node = node_of(self);
  PyObject *rules = argv[0], *joint = argv[1], *dys = argv[2], *edges = argv[3];
  auto pairs = py::reinterpret_steal<py::object>(PyList_New(0));
  if (joint != Py_None) {
    auto grads = apply(node, joint, dys);
    if (!grads) return nullptr;
    auto all =
        py::reinterpret_steal<py::object>(PySequence_Fast(grads.ptr(), "expected gradients"));
    if (!all) return nullptr;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(edges); ++i)
      if (!add_pair(pairs.ptr(), PyList_GET_ITEM(edges, i), PySequence_Fast_GET_ITEM(all.ptr(), i)))
        return nullptr;
    return pairs.release().ptr();
  }
  PyObject *key, *rule;
  Py_ssize_t position = 0;
  while (PyDict_Next(rules, &position, &key, &rule)) {
    PyObject* edge = PyList_GET_ITEM(edges, PyLong_AsLong(key));
    if (edge == Py_None) continue;
    auto grad = apply(node, rule, dys);
    if (!grad || !add_pair(pairs.ptr(), edge, grad.ptr())) return nullptr;
  }
  return pairs.release().ptr();
}

PyGetSetDef node_properties[] = {
    {"attrs", get_attrs, nullptr, "Attributes of the call.", nullptr},
    {"out_specs", get_specs, nullptr, "Shape and dtype of each output.", nullptr},
    {"edges", get_edges, nullptr, "Where the gradient of each input goes.", nullptr},
    {},
};

PyMethodDef node_methods[] = {
    {"free", free_saved, METH_NOARGS, "Drops the saved values."},
    {"changed", changed, METH_NOARGS, "A saved value that was changed in place since, or None."},
    {"pull", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(pull)), METH_FASTCALL,
     "pull(rules, joint, dys, edges): pairs of an edge that is not None and its gradient."},
    {},
};

PyMemberDef node_members[] = {
    {"op", T_OBJECT_EX, offsetof(Node, op), READONLY, "The record of the op."},
    {"number", T_PYSSIZET, offsetof(Node, number), READONLY, "Grows with time."},
    {"freed", T_BOOL, offsetof(Node, freed), READONLY, "Whether the saved values are gone."},
    {"hooks", T_OBJECT, offsetof(Node, hooks), 0, "Called with the gradients of its outputs."},
    {},
};

PyType_Slot node_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(node_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(node_traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(node_clear)},
    {Py_tp_members, node_members},
    {Py_tp_getset, node_properties},
    {Py_tp_methods, node_methods},
    {Py_tp_doc, const_cast<char*>("One call of an op, remembered for the backward pass.")},
    {},
};

PyType_Spec node_spec = {
    "nnfast._core.Node", int(offsetof(Node, links)), sizeof(Link),
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, node_slots};

}  // namespace

PyObject* new_node(Op* op, const std::shared_ptr<const Signature>& signature, const Saves* saves,
                   PyObject* const* inputs, PyObject* const* outputs) {
  const size_t n = size_t(op->n_inputs) + saves->inputs.size() + saves->outputs.size();
  Node* node = PyObject_GC_NewVar(Node, node_type, Py_ssize_t(n));
  if (!node) return nullptr;
  Py_INCREF(op);
  node->op = op;
  new (&node->signature) std::shared_ptr<const Signature>(signature);
  node->saves = saves;
  node->number = count++;
  node->freed = false;
  node->hooks = nullptr;
  Link* link = node->links;
  for (int i = 0; i < op->n_inputs; ++i, ++link) {
    *link = {nullptr, 0};
    if (!inputs[i] || !tensor_of(inputs[i])->requires_grad) continue;
    Tensor* t = tensor_of(inputs[i]);
    *link = {node_or_null(t) ? t->node : inputs[i], t->slot};
  }
  for (uint8_t i : saves->inputs)
    *link++ = {inputs[i], inputs[i] ? tensor_of(inputs[i])->version : 0};
  for (uint8_t i : saves->outputs) *link++ = {tensor_of(outputs[i])->array, 0};
  for (size_t i = 0; i < n; ++i) Py_XINCREF(node->links[i].to);
  PyObject_GC_Track(node);
  return reinterpret_cast<PyObject*>(node);
}

void bind_node(py::module_& m) {
  auto type = py::reinterpret_steal<py::object>(PyType_FromSpec(&node_spec));
  node_type = reinterpret_cast<PyTypeObject*>(type.ptr());
  m.attr("Node") = type;
  m.def("note_write", [](const py::array& array) { writes()[memory_of(array.ptr())] = count; });
}

}  // namespace nnf
