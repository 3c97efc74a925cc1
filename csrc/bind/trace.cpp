#include "bind/trace.h"

#include <structmember.h>

#include <algorithm>
#include <cstddef>

#include "bind/array.h"
#include "bind/node.h"
#include "bind/tensor.h"
#include "bind/value.h"
#include "bind/where.h"

namespace py = pybind11;

namespace nnf {

namespace {

PyTypeObject* trace_type;

struct Trace {
  PyObject_HEAD PyObject* calls;  // a list
  PyObject* known;                // by the id of a tensor from outside: its value
  PyObject* met;                  // those that the function has used, a set
  PyObject* assigned;             // by the value of one: the call that gives it other numbers
  PyObject* places;               // by the number of a node: where it was left
  PyObject* backward_of;          // where the node was left whose gradient rule runs now, or None
  PyObject* search;               // how to find where a call stands: see `here`
  PyObject* last;                 // where the last one stood
  PyObject* last_file;
  int last_line;
  Ring symbols;  // those alive
};

Trace* trace_of(PyObject* o) { return reinterpret_cast<Trace*>(o); }
py::object steal(PyObject* o) { return py::reinterpret_steal<py::object>(o); }

// Calls a method of nnfast/graph/trace.py.
template <class... Objects>
PyObject* ask(Trace* t, const char* name, Objects... objects) {
  auto method = steal(PyObject_GetAttrString(reinterpret_cast<PyObject*>(t), name));
  PyObject* stack[] = {nullptr, objects...};
  return method ? PyObject_Vectorcall(method.ptr(), stack + 1, sizeof...(objects), nullptr)
                : nullptr;
}

// The place of the node whose gradient rule runs now, or of the calling code: Where(module, line),
// found with search = (Where, the code that calls modules, names of files).
py::object here(Trace* t) {
  if (or_null(t->backward_of)) return py::reinterpret_borrow<py::object>(t->backward_of);
  PyObject *where, *call, *files;
  if (!PyArg_ParseTuple(t->search, "OOO", &where, &call, &files)) return {};
  Spot spot = innermost(call, files);
  if (t->last && PyTuple_GET_ITEM(t->last, 0) == spot.module.ptr() &&
      t->last_file == spot.file.ptr() && t->last_line == spot.line)
    return py::reinterpret_borrow<py::object>(t->last);
  auto line = steal(spot.line ? PyUnicode_FromFormat("%U:%d", spot.file.ptr(), spot.line)
                              : PyUnicode_FromString(""));
  PyObject* stack[] = {spot.module.ptr(), line.ptr()};
  auto found = steal(line ? PyObject_Vectorcall(where, stack, 2, nullptr) : nullptr);
  if (!found) return {};
  Py_XSETREF(t->last, Py_NewRef(found.ptr()));
  Py_XSETREF(t->last_file, spot.file.release().ptr());
  t->last_line = spot.line;
  return found;
}

// The value that a tensor (or null, or None) stands for; one from outside is captured.
PyObject* value_in(Trace* t, PyObject* x) {
  if (!x || x == Py_None) Py_RETURN_NONE;
  PyObject* array = tensor_of(x)->array;
  if (is_symbol(array)) {
    Value* v = stood_for(array);
    DType known;
    if (or_null(v->source) && !kernel_dtype(v->dtype, &known)) return ask(t, "_refuse", v->dtype);
    return Py_NewRef(reinterpret_cast<PyObject*>(v));
  }
  auto id = steal(PyLong_FromVoidPtr(x));
  PyObject* found = id ? PyDict_GetItemWithError(t->known, id.ptr()) : nullptr;
  if (!found && PyErr_Occurred()) return nullptr;
  auto value =
      found ? py::reinterpret_borrow<py::object>(found) : steal(ask(t, "_from_outside", x));
  if (!value || PySet_Add(t->met, value.ptr()) < 0) return nullptr;
  if (PyDict_GET_SIZE(t->assigned))
    if (PyObject* call = PyDict_GetItemWithError(t->assigned, value.ptr()))
      return PySequence_GetItem(call_of(call)->inputs, 0);
  return value.release().ptr();
}

// The values of the inputs, as a list.
py::object values_in(Trace* t, const Op& op, const Inputs& inputs) {
  auto values = steal(PyList_New(op.n_inputs));
  for (int i = 0; values && i < op.n_inputs; ++i) {
    PyObject* v = value_in(t, inputs.tensors[i]);
    if (!v) return {};
    PyList_SET_ITEM(values.ptr(), i, v);
  }
  return values;
}

bool append_call(Trace* t, Op* op, PyObject* values, PyObject* outputs, PyObject* attrs,
                 PyObject* changed, PyObject* where) {
  auto call =
      steal(new_call(reinterpret_cast<PyObject*>(op), values, outputs, attrs, changed, where));
  return call && PyList_Append(t->calls, call.ptr()) == 0;
}

PyObject* tensor_for(Trace* t, PyObject* value, bool writeable) {
  return wrap(new_symbol(value, writeable, &t->symbols));
}

// ---- the kinds of calls ------------------------------------------------------------------------

// Whether a value lies in another order than C's.
bool is_strided(PyObject* value) {
  Layout layout;
  if (value == Py_None || !or_null(value_of(value)->strides)) return false;
  return !read_layout(value_of(value), &layout) || !layout.is_dense();
}

// The answer of Trace._in_memory_order: a tuple, or None, which it is not asked for in vain.
py::object in_memory_order(Trace* t, Op* op, const Signature& s, const py::object& given) {
  bool strided = false;
  for (Py_ssize_t i = 0; i < op->n_inputs; ++i)
    strided = strided || is_strided(PyList_GET_ITEM(given.ptr(), i));
  if (PyErr_Occurred()) return {};
  if (!strided || op->kernel->inputs == STRIDED || op->kernel->inputs == DENSE || s.outputs.empty())
    return py::none();
  return steal(ask(t, "_in_memory_order", reinterpret_cast<PyObject*>(op), given.ptr(),
                   s.result.ptr(), s.packed.ptr()));
}

// Symbols of values, a list, as tensors.
bool fill_symbols(Trace* t, PyObject* values, py::object* outputs) {
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(values); ++i) {
    outputs[i] = steal(tensor_for(t, PyList_GET_ITEM(values, i), true));
    if (!outputs[i]) return false;
  }
  return true;
}

// Of a kernel: fills `outputs`.
bool note_kernel(Trace* t, Op* op, const Signature& s, const Inputs& inputs,
                 const py::object& where, py::object* outputs) {
  auto given = values_in(t, *op, inputs), none = steal(PyTuple_New(0));
  auto turned = given && none ? in_memory_order(t, op, s, given) : py::object();
  if (!turned) return false;
  if (!turned.is_none()) {
    PyObject *views, *made, *attrs, *results;
    return PyArg_ParseTuple(turned.ptr(), "O!O!OO!", &PyList_Type, &views, &PyList_Type, &made,
                            &attrs, &PyList_Type, &results) &&
           append_call(t, op, views, made, attrs, none.ptr(), where.ptr()) &&
           fill_symbols(t, results, outputs);
  }
  const Py_ssize_t n = PyTuple_GET_SIZE(s.specs.ptr());
  auto made = steal(PyList_New(n));
  for (Py_ssize_t i = 0; made && i < n; ++i) {
    PyObject* spec = PyTuple_GET_ITEM(s.specs.ptr(), i);
    PyObject* value = new_value(PyTuple_GET_ITEM(spec, 0), PyTuple_GET_ITEM(spec, 1));
    if (!value) return false;
    PyList_SET_ITEM(made.ptr(), i, value);
  }
  return made &&
         append_call(t, op, given.ptr(), made.ptr(), s.packed.ptr(), none.ptr(), where.ptr()) &&
         fill_symbols(t, made.ptr(), outputs);
}

// Of a kernel that changes some of its inputs.
PyObject* note_change(Trace* t, Op* op, const Signature& s, const Inputs& inputs,
                      const py::object& where) {
  for (int i = 0; i < op->n_inputs; ++i) {
    if (!inputs.tensors[i] || !(op->mutates >> i & 1)) continue;
    PyObject* x = inputs.tensors[i];
    if (!is_symbol(tensor_of(x)->array) && !steal(ask(t, "_begin_anew", x))) return nullptr;
    if (PyDict_GET_SIZE(t->assigned) && !steal(ask(t, "_forget", x))) return nullptr;
    ++tensor_of(x)->version;
  }
  auto values = values_in(t, *op, inputs), changed = steal(PyList_New(0));
  for (int i = 0; values && changed && i < op->n_inputs; ++i)
    if (inputs.tensors[i] && op->mutates >> i & 1)
      PyList_Append(changed.ptr(), PyList_GET_ITEM(values.ptr(), i));
  auto fixed = steal(values && changed ? PyList_AsTuple(changed.ptr()) : nullptr);
  if (!fixed ||
      !append_call(t, op, values.ptr(), changed.ptr(), s.packed.ptr(), fixed.ptr(), where.ptr()))
    return nullptr;
  Py_RETURN_NONE;
}

// Takes note of how a view lies in the memory of what it is a view of.
void note_place(const Signature& s, PyObject* value, PyObject* view, bool writeable) {
  const Value *x = value_of(value), *y = value_of(view);
  if (or_null(y->root) != memory_of_value(value)) return;  // a copy
  s.place.offset = PyLong_AsSsize_t(y->offset) - PyLong_AsSsize_t(x->offset);
  s.place.strides = py::reinterpret_borrow<py::object>(y->strides ? y->strides : Py_None);
  s.place.writeable = writeable;
}

bool is_writeable(PyObject* array) {
  return is_symbol(array) ? symbol_of(array)->writeable : array_of(array)->flags & kWritable;
}

PyObject* note_view(Trace* t, Op* op, const Signature& s, PyObject* x) {
  auto value = steal(value_in(t, x));
  if (!value) return nullptr;
  PyObject* array = tensor_of(x)->array;
  if (s.place.strides) {
    auto offset =
        steal(PyLong_FromSsize_t(PyLong_AsSsize_t(value_of(value.ptr())->offset) + s.place.offset));
    auto view = steal(new_value(PyTuple_GET_ITEM(PyTuple_GET_ITEM(s.specs.ptr(), 0), 0),
                                value_of(value.ptr())->dtype, memory_of_value(value.ptr()),
                                offset.ptr(), s.place.strides.ptr()));
    return view ? tensor_for(t, view.ptr(), s.place.writeable && is_writeable(array)) : nullptr;
  }
  PyObject* y = ask(t, "_view", reinterpret_cast<PyObject*>(op), x, s.result.ptr());
  if (y && is_writeable(array))
    note_place(s, value.ptr(), symbol_of(tensor_of(y)->array)->value,
               is_writeable(tensor_of(y)->array));
  return y;
}

// Leaves a node where gradients are wanted.
bool leave_node(Trace* t, Op* op, const std::shared_ptr<const Signature>& s, const Inputs& inputs,
                const py::object* outputs, int n, const py::object& where) {
  PyObject* tensors[kMaxArgs];
  for (int i = 0; i < n; ++i) tensors[i] = outputs[i].ptr();
  if (!record(op, s, inputs, tensors, n)) return false;
  PyObject* node = node_or_null(tensor_of(tensors[0]));
  auto number = steal(node ? PyLong_FromSsize_t(node_of(node)->number) : nullptr);
  return !node || (number && PyDict_SetItem(t->places, number.ptr(), where.ptr()) == 0);
}

PyObject* note_in(Trace* t, Op* op, const std::shared_ptr<const Signature>& s,
                  const Inputs& inputs) {
  auto where = here(t);
  if (!where) return nullptr;
  if (op->mutates && s->packed) return note_change(t, op, *s, inputs, where);
  py::object outputs[kMaxArgs];
  int n = 1;
  if (s->is_view) {
    outputs[0] = steal(note_view(t, op, *s, inputs.tensors[0]));
    if (!outputs[0]) return nullptr;
  } else if (!s->packed) {
    return ask(t, "_refuse_computed", reinterpret_cast<PyObject*>(op));
  } else {
    n = int(s->outputs.size());
    if (!note_kernel(t, op, *s, inputs, where, outputs)) return nullptr;
  }
  if (mode().grad && !leave_node(t, op, s, inputs, outputs, n, where)) return nullptr;
  return one_or_all(outputs, n);
}

// What any other object answers that stands in `MODE.trace`.
PyObject* note_elsewhere(PyObject* trace, Op* op, const Signature& s, const Inputs& inputs) {
  auto list = steal(PyList_New(op->n_inputs));
  for (int i = 0; list && i < op->n_inputs; ++i)
    PyList_SET_ITEM(list.ptr(), i, Py_NewRef(inputs.tensors[i] ? inputs.tensors[i] : Py_None));
  if (!list) return nullptr;
  PyObject* packed = s.packed ? s.packed.ptr() : Py_None;
  PyObject* stack[] = {reinterpret_cast<PyObject*>(op), list.ptr(), s.result.ptr(), packed};
  return PyObject_Vectorcall(trace, stack, 4, nullptr);
}

// ---- the type ----------------------------------------------------------------------------------

PyObject* trace_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (!self) return nullptr;
  Trace* t = trace_of(self);
  t->symbols = {&t->symbols, &t->symbols};
  t->calls = PyList_New(0);
  t->met = PySet_New(nullptr);
  for (PyObject** dict : {&t->known, &t->assigned, &t->places}) *dict = PyDict_New();
  if (!PyErr_Occurred()) return self;
  Py_DECREF(self);
  return nullptr;
}

int trace_traverse(PyObject* self, visitproc visit, void* arg) {
  Trace* t = trace_of(self);
  Py_VISIT(Py_TYPE(self));
  for (PyObject* o : {t->calls, t->known, t->met, t->assigned, t->places, t->backward_of, t->search,
                      t->last, t->last_file})
    Py_VISIT(o);
  return 0;
}

int trace_clear(PyObject* self) {
  Trace* t = trace_of(self);
  for (PyObject** o : {&t->calls, &t->known, &t->met, &t->assigned, &t->places, &t->backward_of,
                       &t->search, &t->last, &t->last_file})
    Py_CLEAR(*o);
  return 0;
}

void trace_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  trace_clear(self);
  Trace* t = trace_of(self);
  for (Ring* r = t->symbols.after; r && r != &t->symbols;) {  // who outlives it is in no ring
    Ring* next = r->after;
    *r = {};
    r = next;
  }
  type->tp_free(self);
  Py_DECREF(type);
}

// Whether an array is of this dtype, and lies so.
bool lies_so(PyObject* array, PyObject* dtype, const Layout& layout) {
  if (!is_plain_array(array)) return false;
  const Array* a = array_of(array);
  return a->descr == dtype && a->nd == layout.ndim &&
         std::equal(layout.shape, layout.shape + layout.ndim, a->dimensions) &&
         std::equal(layout.strides, layout.strides + layout.ndim, a->strides);
}

PyObject* trace_value(PyObject* self, PyObject* x) {
  if (x == Py_None || is_tensor(x)) return value_in(trace_of(self), x);
  PyErr_SetString(PyExc_TypeError, "Trace.value: expected a tensor");
  return nullptr;
}

PyObject* trace_symbol(PyObject* self, PyObject* const* argv, Py_ssize_t argc) {
  if (argc < 1 || argc > 2 || !is_value(argv[0])) {
    PyErr_SetString(PyExc_TypeError, "Trace.symbol: expected a value");
    return nullptr;
  }
  return tensor_for(trace_of(self), argv[0], argc == 1 || argv[1] == Py_True);
}

PyObject* trace_here(PyObject* self, PyObject*) {
  return translated([&] { return here(trace_of(self)).release().ptr(); });
}

// know(values, but): those of captured tensors, if these are as they were, serve again; all but
// those of some ids.
PyObject* know(PyObject* self, PyObject* const* argv, Py_ssize_t argc) {
  if (argc != 2 || !PyList_Check(argv[0]) || !PyDict_Check(argv[1])) {
    PyErr_SetString(PyExc_TypeError, "Trace._know: expected values and ids");
    return nullptr;
  }
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(argv[0]); ++i) {
    Value* v = value_of(PyList_GET_ITEM(argv[0], i));
    auto x = steal(PyObject_GetAttrString(v->source, "tensor"));
    Layout layout;
    if (!x || !read_layout(v, &layout)) return nullptr;
    auto id = steal(PyLong_FromVoidPtr(x.ptr()));
    if (!lies_so(tensor_of(x.ptr())->array, v->dtype, layout) || PyDict_Contains(argv[1], id.ptr()))
      continue;
    if (PyDict_SetItem(trace_of(self)->known, id.ptr(), reinterpret_cast<PyObject*>(v)) < 0)
      return nullptr;
  }
  Py_RETURN_NONE;
}

PyObject* alive(PyObject* self, PyObject*) {
  const Ring* ring = &trace_of(self)->symbols;
  PyObject* all = PyList_New(0);
  for (Ring* r = ring->after; all && r != ring; r = r->after) {
    auto* symbol = reinterpret_cast<PyObject*>(reinterpret_cast<char*>(r) - offsetof(Symbol, ring));
    if (Py_REFCNT(symbol) == 0) continue;  // its end waits for others
    if (PyList_Append(all, symbol) < 0) Py_CLEAR(all);
  }
  return all;
}

PyMemberDef trace_members[] = {
    {"calls", T_OBJECT, offsetof(Trace, calls), READONLY, "The calls so far."},
    {"_known", T_OBJECT, offsetof(Trace, known), READONLY, "By ids: values from outside."},
    {"_met", T_OBJECT, offsetof(Trace, met), READONLY, "Those that the function has used."},
    {"_assigned", T_OBJECT, offsetof(Trace, assigned), READONLY, "What they are now."},
    {"_places", T_OBJECT, offsetof(Trace, places), READONLY, "Where nodes were left."},
    {"backward_of", T_OBJECT, offsetof(Trace, backward_of), 0, "The place of the node that runs."},
    {"_search", T_OBJECT, offsetof(Trace, search), 0, "(Where, code of module calls, files)."},
    {},
};

PyMethodDef trace_methods[] = {
    {"value", trace_value, METH_O, "The value that a tensor stands for."},
    {"symbol", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(trace_symbol)), METH_FASTCALL,
     "A tensor without data that stands for a value."},
    {"here", trace_here, METH_NOARGS, "Where the calling code stands, or the node that runs."},
    {"_know", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(know)), METH_FASTCALL,
     "_know(values, but): those of captured tensors that are as they were serve again."},
    {"alive", alive, METH_NOARGS, "The symbols that somebody holds."},
    {},
};

PyType_Slot trace_slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(trace_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(trace_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(trace_traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(trace_clear)},
    {Py_tp_members, trace_members},
    {Py_tp_methods, trace_methods},
    {},
};

PyType_Spec trace_spec = {"nnfast._core.Trace", sizeof(Trace), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
                          trace_slots};

}  // namespace

PyObject* note(Op* op, const std::shared_ptr<const Signature>& s, const Inputs& inputs) {
  PyObject* trace = mode().trace;
  return PyObject_TypeCheck(trace, trace_type) ? note_in(trace_of(trace), op, s, inputs)
                                               : note_elsewhere(trace, op, *s, inputs);
}

void bind_trace(py::module_& m) {
  auto type = steal(PyType_FromSpec(&trace_spec));
  trace_type = reinterpret_cast<PyTypeObject*>(type.ptr());
  m.attr("Trace") = type;
}

}  // namespace nnf
