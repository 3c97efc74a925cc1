#include "bind/value.h"

#include <structmember.h>

#include <algorithm>
#include <cstddef>

#include "bind/array.h"

namespace py = pybind11;

namespace nnf {

namespace {

PyTypeObject *value_type, *call_type;
PyTypeObject* symbol_type;  // nnfast.graph.symbol.Symbol

// ---- records: objects whose fields are Python objects ------------------------------------------

enum class Missing { refused, none, zero, empty };

struct Field {
  const char* name;
  Py_ssize_t at;
  Missing missing;
};

struct Record {
  const Field* fields;
  int n;
};

PyObject*& slot(PyObject* self, const Field& f) {
  return *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(self) + f.at);
}

void set(PyObject* self, const Field& f, PyObject* value) {
  Py_INCREF(value);
  Py_XSETREF(slot(self, f), value);
}

// Sets the fields that are named.
template <const Record& record>
bool set_named(PyObject* self, PyObject* kwargs) {
  PyObject *name, *value;
  for (Py_ssize_t i = 0; kwargs && PyDict_Next(kwargs, &i, &name, &value);) {
    const Field* end = record.fields + record.n;
    const Field* f = std::find_if(record.fields, end, [&](const Field& field) {
      return PyUnicode_CompareWithASCIIString(name, field.name) == 0;
    });
    if (f == end) return PyErr_Format(PyExc_TypeError, "no field '%U'", name), false;
    set(self, *f, value);
  }
  return true;
}

PyObject* initial(Missing missing) {
  return missing == Missing::zero ? PyLong_FromLong(0) : PyTuple_New(0);
}

template <const Record& record>
int init(PyObject* self, PyObject* args, PyObject* kwargs) {
  const Py_ssize_t given = PyTuple_GET_SIZE(args);
  if (given > record.n) return PyErr_Format(PyExc_TypeError, "%zd fields", given), -1;
  for (Py_ssize_t i = 0; i < given; ++i) set(self, record.fields[i], PyTuple_GET_ITEM(args, i));
  if (!set_named<record>(self, kwargs)) return -1;
  for (int i = 0; i < record.n; ++i) {
    const Field& f = record.fields[i];
    if (slot(self, f) || f.missing == Missing::none) continue;
    if (f.missing == Missing::refused)
      return PyErr_Format(PyExc_TypeError, "expected a field '%s'", f.name), -1;
    slot(self, f) = initial(f.missing);
    if (!slot(self, f)) return -1;
  }
  return 0;
}

// _replace(**changes): the same but for some fields.
template <const Record& record>
PyObject* replaced(PyObject* self, PyObject*, PyObject* kwargs) {
  PyObject* made = Py_TYPE(self)->tp_alloc(Py_TYPE(self), 0);
  for (int i = 0; made && i < record.n; ++i)
    if (PyObject* o = slot(self, record.fields[i])) set(made, record.fields[i], o);
  if (made && !set_named<record>(made, kwargs)) Py_CLEAR(made);
  return made;
}

template <const Record& record>
int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  for (int i = 0; i < record.n; ++i) Py_VISIT(slot(self, record.fields[i]));
  return 0;
}

template <const Record& record>
int clear(PyObject* self) {
  for (int i = 0; i < record.n; ++i) Py_CLEAR(slot(self, record.fields[i]));
  return 0;
}

void free_object(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  type->tp_clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

template <const Record& record>
std::vector<PyMemberDef> members() {
  std::vector<PyMemberDef> all;
  for (int i = 0; i < record.n; ++i)
    all.push_back({record.fields[i].name, T_OBJECT, record.fields[i].at, 0, nullptr});
  all.push_back({});
  return all;
}

PyMethodDef method(const char* name, PyObject* (*f)(PyObject*, PyObject*)) {
  return {name, f, METH_NOARGS, nullptr};
}

template <const Record& record>
PyMethodDef replace_method() {
  return {"_replace", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(replaced<record>)),
          METH_VARARGS | METH_KEYWORDS, "The same but for some fields."};
}

// ---- values ------------------------------------------------------------------------------------

constexpr Field kValueFields[] = {
    {"shape", offsetof(Value, shape), Missing::refused},
    {"dtype", offsetof(Value, dtype), Missing::refused},
    {"root", offsetof(Value, root), Missing::none},
    {"offset", offsetof(Value, offset), Missing::zero},
    {"strides", offsetof(Value, strides), Missing::none},
    {"source", offsetof(Value, source), Missing::none},
    {"like", offsetof(Value, like), Missing::none},
};
constexpr Record kValue{kValueFields, 7};

PyObject* get_memory(PyObject* self, void*) {
  PyObject* memory = memory_of_value(self);
  Py_INCREF(memory);
  return memory;
}

PyObject* get_nbytes(PyObject* self, void*) {
  Layout l;
  return read_layout(value_of(self), &l) ? PyLong_FromLongLong(l.size * l.item) : nullptr;
}

PyObject* get_extent(PyObject* self, void*) {
  Layout l;
  if (!read_layout(value_of(self), &l)) return nullptr;
  int64_t last = 0;
  for (int d = 0; d < l.ndim; ++d) last += (l.shape[d] - 1) * l.strides[d];
  return PyLong_FromLongLong(l.size ? last + l.item : 0);
}

PyObject* byte_strides(PyObject* self, PyObject*) {
  Layout l;
  if (!read_layout(value_of(self), &l)) return nullptr;
  PyObject* strides = PyTuple_New(l.ndim);
  for (int d = 0; strides && d < l.ndim; ++d)
    PyTuple_SET_ITEM(strides, d, PyLong_FromLongLong(l.strides[d]));
  return strides;
}

PyObject* is_dense(PyObject* self, PyObject*) {
  Layout l;
  return read_layout(value_of(self), &l) ? PyBool_FromLong(l.is_dense()) : nullptr;
}

PyGetSetDef value_properties[] = {
    {"memory", get_memory, nullptr, "Itself, or what it is a view of.", nullptr},
    {"nbytes", get_nbytes, nullptr, "Bytes of its elements.", nullptr},
    {"extent", get_extent, nullptr, "Bytes from its first element to behind its last.", nullptr},
    {},
};

// ---- calls -------------------------------------------------------------------------------------

constexpr Field kCallFields[] = {
    {"op", offsetof(OpCall, op), Missing::refused},
    {"inputs", offsetof(OpCall, inputs), Missing::refused},
    {"outputs", offsetof(OpCall, outputs), Missing::refused},
    {"attrs", offsetof(OpCall, attrs), Missing::refused},
    {"changed", offsetof(OpCall, changed), Missing::empty},
    {"where", offsetof(OpCall, where), Missing::none},
    {"overwrites", offsetof(OpCall, overwrites), Missing::empty},
};
constexpr Record kCall{kCallFields, 7};

// The memory of those values that are not None, as a tuple.
PyObject* memories(PyObject* values) {
  auto all = py::reinterpret_steal<py::object>(PySequence_Fast(values, "expected values"));
  if (!all) return nullptr;
  std::vector<PyObject*> found;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(all.ptr()); ++i) {
    PyObject* v = PySequence_Fast_GET_ITEM(all.ptr(), i);
    if (is_value(v)) found.push_back(memory_of_value(v));
  }
  PyObject* tuple = PyTuple_New(Py_ssize_t(found.size()));
  for (size_t i = 0; tuple && i < found.size(); ++i) {
    Py_INCREF(found[i]);
    PyTuple_SET_ITEM(tuple, Py_ssize_t(i), found[i]);
  }
  return tuple;
}

PyObject* remembered(PyObject** slot, PyObject* values) {
  if (!*slot) *slot = memories(values);
  Py_XINCREF(*slot);
  return *slot;
}

PyObject* call_reads(PyObject* self, PyObject*) {
  return remembered(&call_of(self)->reads, call_of(self)->inputs);
}
PyObject* call_writes(PyObject* self, PyObject*) {
  return remembered(&call_of(self)->writes, call_of(self)->outputs);
}

int traverse_call(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(call_of(self)->reads);
  Py_VISIT(call_of(self)->writes);
  return traverse<kCall>(self, visit, arg);
}

int clear_call(PyObject* self) {
  Py_CLEAR(call_of(self)->reads);
  Py_CLEAR(call_of(self)->writes);
  return clear<kCall>(self);
}

// ---- symbols -----------------------------------------------------------------------------------

void leave(Ring* ring) {
  if (!ring->after) return;
  ring->before->after = ring->after;
  ring->after->before = ring->before;
}

PyObject* symbol_new(PyTypeObject* type, PyObject* args, PyObject*) {
  PyObject* value;
  if (!PyArg_ParseTuple(args, "O!", value_type, &value)) return nullptr;
  PyObject* self = type->tp_alloc(type, 0);
  if (!self) return nullptr;
  Py_INCREF(value);
  symbol_of(self)->value = value;
  symbol_of(self)->writeable = true;
  return self;
}

int traverse_symbol(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(symbol_of(self)->value);
  Py_VISIT(symbol_of(self)->layout);
  return 0;
}

void symbol_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  leave(&symbol_of(self)->ring);
  Py_CLEAR(symbol_of(self)->value);
  Py_CLEAR(symbol_of(self)->layout);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* symbol_shape(PyObject* self, void*) { return Py_NewRef(stood_for(self)->shape); }
PyObject* symbol_dtype(PyObject* self, void*) { return Py_NewRef(stood_for(self)->dtype); }
PyObject* symbol_ndim(PyObject* self, void*) {
  return PyLong_FromSsize_t(PyObject_Length(stood_for(self)->shape));
}

PyMemberDef symbol_members[] = {
    {"value", T_OBJECT, offsetof(Symbol, value), READONLY, "What it stands for."},
    {"_layout", T_OBJECT, offsetof(Symbol, layout), 0, nullptr},
    {"writeable", T_BOOL, offsetof(Symbol, writeable), 0, "As the flag of an array."},
    {},
};

PyGetSetDef symbol_properties[] = {
    {"shape", symbol_shape, nullptr, "Sizes of the dimensions.", nullptr},
    {"dtype", symbol_dtype, nullptr, "Type of the elements.", nullptr},
    {"ndim", symbol_ndim, nullptr, "Number of dimensions.", nullptr},
    {},
};

PyType_Slot symbol_slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(symbol_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(symbol_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse_symbol)},
    {Py_tp_members, symbol_members},
    {Py_tp_getset, symbol_properties},
    {},
};

PyType_Spec symbol_spec = {"nnfast._core.Symbol", sizeof(Symbol), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
                           symbol_slots};

template <class F>
void* as_slot(F* f) {
  return reinterpret_cast<void*>(f);
}

PyObject* bind_value(py::module_& m) {
  static std::vector<PyMemberDef> fields = members<kValue>();
  static PyMethodDef methods[] = {replace_method<kValue>(),
                                  method("byte_strides", byte_strides),
                                  method("is_dense", is_dense),
                                  {}};
  PyType_Slot slots[] = {
      {Py_tp_new, as_slot(PyType_GenericNew)},
      {Py_tp_init, as_slot(init<kValue>)},
      {Py_tp_dealloc, as_slot(free_object)},
      {Py_tp_traverse, as_slot(traverse<kValue>)},
      {Py_tp_clear, as_slot(clear<kValue>)},
      {Py_tp_members, fields.data()},
      {Py_tp_getset, value_properties},
      {Py_tp_methods, methods},
      {},
  };
  PyType_Spec spec = {"nnfast._core.Value", sizeof(Value), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
  auto type = py::reinterpret_steal<py::object>(PyType_FromSpec(&spec));
  m.attr("Value") = type;
  return type.ptr();
}

PyObject* bind_op_call(py::module_& m) {
  static std::vector<PyMemberDef> fields = members<kCall>();
  static PyMethodDef methods[] = {
      replace_method<kCall>(), method("reads", call_reads), method("writes", call_writes), {}};
  PyType_Slot slots[] = {
      {Py_tp_new, as_slot(PyType_GenericNew)},
      {Py_tp_init, as_slot(init<kCall>)},
      {Py_tp_dealloc, as_slot(free_object)},
      {Py_tp_traverse, as_slot(traverse_call)},
      {Py_tp_clear, as_slot(clear_call)},
      {Py_tp_members, fields.data()},
      {Py_tp_methods, methods},
      {},
  };
  PyType_Spec spec = {"nnfast._core.OpCall", sizeof(OpCall), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
  auto type = py::reinterpret_steal<py::object>(PyType_FromSpec(&spec));
  m.attr("OpCall") = type;
  return type.ptr();
}

PyObject* new_ref_or_null(PyObject* o) {
  Py_XINCREF(o);
  return o;
}

}  // namespace

bool is_value(PyObject* o) { return Py_TYPE(o) == value_type; }
bool is_symbol(PyObject* o) { return o && Py_TYPE(o) == symbol_type; }

bool Layout::is_dense() const {
  int64_t step = item;
  for (int d = ndim - 1; d >= 0 && size > 0; --d) {
    if (shape[d] > 1 && strides[d] != step) return false;
    step *= shape[d];
  }
  return true;
}

bool Layout::operator==(const Layout& other) const {
  return ndim == other.ndim && std::equal(shape, shape + ndim, other.shape) &&
         std::equal(strides, strides + ndim, other.strides);
}

bool read_layout(const Value* v, Layout* l) {
  const bool known = PyTuple_Check(v->shape) && PyTuple_GET_SIZE(v->shape) <= kMaxDims &&
                     numpy().PyArrayDescr_Check_(v->dtype);
  PyObject* strides = known ? or_null(v->strides) : nullptr;
  if (!known || (strides && (!PyTuple_Check(strides) ||
                             PyTuple_GET_SIZE(strides) != PyTuple_GET_SIZE(v->shape)))) {
    PyErr_SetString(PyExc_ValueError, "_core.Value: expected at most 12 dimensions and a dtype");
    return false;
  }
  l->ndim = int(PyTuple_GET_SIZE(v->shape));
  l->item = py::reinterpret_borrow<py::dtype>(v->dtype).itemsize();
  l->size = 1;
  int64_t step = l->item;
  for (int d = l->ndim - 1; d >= 0; --d) {
    l->shape[d] = PyLong_AsLongLong(PyTuple_GET_ITEM(v->shape, d));
    l->strides[d] = strides ? PyLong_AsLongLong(PyTuple_GET_ITEM(strides, d)) : step;
    l->size *= l->shape[d];
    step *= std::max<int64_t>(l->shape[d], 1);
  }
  return !PyErr_Occurred();
}

PyObject* new_value(PyObject* shape, PyObject* dtype, PyObject* root, PyObject* offset,
                    PyObject* strides) {
  PyObject* made = value_type->tp_alloc(value_type, 0);
  if (!made) return nullptr;
  Value* v = value_of(made);
  v->shape = new_ref_or_null(shape);
  v->dtype = new_ref_or_null(dtype);
  v->root = new_ref_or_null(root);
  v->offset = offset ? new_ref_or_null(offset) : PyLong_FromLong(0);
  v->strides = new_ref_or_null(strides);
  return made;
}

PyObject* new_call(PyObject* op, PyObject* inputs, PyObject* outputs, PyObject* attrs,
                   PyObject* changed, PyObject* where) {
  PyObject* made = call_type->tp_alloc(call_type, 0);
  if (!made) return nullptr;
  OpCall* c = call_of(made);
  c->op = new_ref_or_null(op);
  c->inputs = new_ref_or_null(inputs);
  c->outputs = new_ref_or_null(outputs);
  c->attrs = new_ref_or_null(attrs);
  c->changed = new_ref_or_null(changed);
  c->where = new_ref_or_null(where);
  c->overwrites = PyTuple_New(0);
  return made;
}

PyObject* new_symbol(PyObject* value, bool writeable, Ring* ring) {
  PyObject* made = symbol_type->tp_alloc(symbol_type, 0);
  if (!made) return nullptr;
  Symbol* s = symbol_of(made);
  s->value = new_ref_or_null(value);
  s->writeable = writeable;
  s->ring = {ring->before, ring};
  ring->before->after = &s->ring;
  ring->before = &s->ring;
  return made;
}

void bind_values(py::module_& m) {
  value_type = reinterpret_cast<PyTypeObject*>(bind_value(m));
  call_type = reinterpret_cast<PyTypeObject*>(bind_op_call(m));
  m.attr("Symbol") = py::reinterpret_steal<py::object>(PyType_FromSpec(&symbol_spec));
  m.def("set_symbol_type",
        [](py::type type) { symbol_type = reinterpret_cast<PyTypeObject*>(type.release().ptr()); });
}

}  // namespace nnf
