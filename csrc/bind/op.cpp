// Calls of ops. The ordinary call (tensors of fitting dtypes, plain other arguments) is done here;
// what is not ordinary goes to Op._call of nnfast/ops/record.py, which converts or complains.
#include "bind/op.h"

#include <structmember.h>

#include <new>

#include "bind/array.h"
#include "bind/node.h"
#include "bind/run.h"
#include "bind/signature.h"
#include "bind/tensor.h"
#include "bind/trace.h"
#include "bind/value.h"

namespace py = pybind11;

namespace nnf {

namespace {

Op* op_of(PyObject* o) { return reinterpret_cast<Op*>(o); }
PyObject* object_of(Op* op) { return reinterpret_cast<PyObject*>(op); }

PyObject* array_in(const Inputs& inputs, int i) {
  return inputs.tensors[i] ? tensor_of(inputs.tensors[i])->array : Py_None;
}

bool is_float(DType t) { return t == DType::f32 || t == DType::f64; }
bool is_number(PyObject* x) { return PyFloat_CheckExact(x) || PyLong_CheckExact(x); }

// ---- conversion --------------------------------------------------------------------------------

// Whether kernels can read the array of a tensor as it is, and write to it where it changes.
bool has_memory(PyObject* x, bool changes, DType* t) {
  if (!is_plain_array(tensor_of(x)->array)) return false;
  const Array* a = array_of(tensor_of(x)->array);
  const int needed = changes ? kAligned | kContiguous | kWritable : kAligned;
  return kernel_dtype(a->descr, t) && (a->flags & needed) == needed;
}

// Whether kernels know the dtype of a tensor whose array may be none yet.
bool has_form(PyObject* x, DType* t) {
  Form form;
  if (!tensor_of(x)->array || !read_form(tensor_of(x)->array, &form)) return false;
  *t = form.dtype;
  return true;
}

// Whether `x` is a tensor fit to be an input of this kind, with what its dtype says of the others:
// operands and float tensors of one call have one dtype.
bool fits(const Op& op, Kind kind, PyObject* x, bool changes, bool* decided, DType* common) {
  DType t;
  if (!is_tensor(x) || !(has_memory(x, changes, &t) || (mode().trace && has_form(x, &t))))
    return false;
  if (kind == Kind::any) return true;
  if (kind == Kind::integer) return t == DType::i64;
  if (kind == Kind::boolean) return t == DType::b8;
  const bool known = is_float(t) || (kind == Kind::operand && t == DType::i64 && !op.floats);
  if (!known || (*decided && *common != t)) return false;
  *decided = true;
  *common = t;
  return true;
}

// A Python number as a tensor of the other operands' dtype; null if it does not fit there, or
// with an error set.
PyObject* from_number(PyObject* x, DType t) {
  if (PyFloat_CheckExact(x))
    return is_float(t) ? wrap(zero_dim(t, PyFloat_AS_DOUBLE(x), 0)) : nullptr;
  int overflow;
  const int64_t value = PyLong_AsLongLongAndOverflow(x, &overflow);
  if (overflow) return nullptr;
  return wrap(t == DType::f32 ? zero_dim(t, float(value), 0) : zero_dim(t, double(value), value));
}

// Whether one of the keywords is the name of an input.
bool names_input(const Op& op, PyObject* names) {
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(names); ++k)
    for (int i = 0; i < op.n_inputs; ++i)
      if (!PyUnicode_Compare(PyTuple_GET_ITEM(names, k), PyTuple_GET_ITEM(op.names, i)))
        return true;
  return false;
}

// Fills `inputs`; false if the call is not an ordinary one, or with an error set.
bool gather(const Op& op, PyObject* const* args, Py_ssize_t n, PyObject* names, Inputs* inputs) {
  if (n < op.required || (n < op.n_inputs && names && names_input(op, names))) return false;
  bool decided = false, numbers = false;
  DType common = DType::f32;
  for (int i = 0; i < op.n_inputs; ++i) {
    PyObject* x = i < n ? args[i] : Py_None;
    const bool operand = op.kinds[i] == Kind::operand;
    inputs->tensors[i] = x;
    if (x == Py_None && i >= op.required && !operand)
      inputs->tensors[i] = nullptr;
    else if (operand && is_number(x))
      numbers = true;
    else if (!fits(op, op.kinds[i], x, op.mutates >> i & 1, &decided, &common))
      return false;
  }
  for (int i = 0; numbers && i < op.n_inputs; ++i) {
    if (op.kinds[i] != Kind::operand || !is_number(inputs->tensors[i])) continue;
    PyObject* x = decided ? from_number(inputs->tensors[i], common) : nullptr;
    if (!x) return false;
    inputs->made[i] = py::reinterpret_steal<py::object>(x);
    inputs->tensors[i] = x;
  }
  return true;
}

// ---- execution ---------------------------------------------------------------------------------

PyObject* view_result(const Signature& s, PyObject* array) {
  const Signature::Layout& l = s.layout;
  const bool writable = l.writable && (array_of(array)->flags & kWritable);
  return view_of(array, l.ndim, l.shape, l.strides, array_of(array)->data + l.offset, writable);
}

// Notes where in the memory of `x` the view `y` lies; not if it turned out to be a copy.
void note_layout(const Signature& s, PyObject* x, PyObject* y) {
  const Array *a = array_of(x), *b = array_of(y);
  View v;
  if (b->nd > kMaxDims || !make_view(x, false, &v) || v.size == 0) return PyErr_Clear();
  int64_t low = 0, high = 0;
  for (int d = 0; d < a->nd; ++d)
    (a->strides[d] < 0 ? low : high) += a->strides[d] * (a->dimensions[d] - 1);
  const int64_t offset = b->data - a->data;
  if (offset < low || offset > high || !(a->flags & kWritable)) return;
  Signature::Layout& l = s.layout;
  l.ndim = b->nd;
  l.offset = offset;
  l.writable = b->flags & kWritable;
  for (int d = 0; d < b->nd; ++d) {
    l.shape[d] = b->dimensions[d];
    l.strides[d] = b->strides[d];
  }
  l.known = true;
}

// The output of an op that NumPy computes.
PyObject* compute(const Op& op, const Signature& s, const Inputs& inputs) {
  if (s.layout.known) return view_result(s, array_in(inputs, 0));
  PyObject* present[kMaxArgs];
  size_t n = 0;
  for (int i = 0; i < op.n_inputs; ++i)
    if (inputs.tensors[i]) present[n++] = array_in(inputs, i);
  auto y =
      py::reinterpret_steal<py::object>(PyObject_Vectorcall(s.compute.ptr(), present, n, nullptr));
  if (!y) return nullptr;
  // NumPy gives scalars too.
  PyObject* array = numpy().PyArray_FromAny_(y.ptr(), nullptr, 0, 0, 0, nullptr);
  if (array && s.is_view && is_plain_array(array_in(inputs, 0)))
    note_layout(s, array_in(inputs, 0), array);
  return array;
}

// The inputs as the kernel sees them.
bool make_views(const Op& op, const Inputs& inputs, View* in) {
  for (int i = 0; i < op.n_inputs; ++i)
    if (!make_view(array_in(inputs, i), false, &in[i])) return false;
  return true;
}

// Runs the kernel, which reads in C order what it does not read with any strides.
bool run_kernel(const Op& op, const void* attrs, View* in, const View* out, int n_out) {
  Copies copies;
  for (int i = 0; i < op.n_inputs; ++i)
    if (!takes_strides(op.kernel->inputs) && !copies.make_dense(&in[i])) return false;
  OpArgs args{op.kernel, in, op.n_inputs, out, n_out, attrs, nullptr};
  return run_op(*op.kernel, args);
}

PyObject* mutate(const Op& op, const Signature& s, const Inputs& inputs) {
  View in[kMaxArgs], out[kMaxArgs];
  int n = 0;
  if (!make_views(op, inputs, in)) return nullptr;
  for (int i = 0; i < op.n_inputs; ++i)
    if (inputs.tensors[i] && op.mutates >> i & 1)
      if (!make_view(array_in(inputs, i), true, &out[n++])) return nullptr;
  if (!run_kernel(op, PyBytes_AS_STRING(s.packed.ptr()), in, out, n)) return nullptr;
  for (int i = 0; i < op.n_inputs; ++i)
    if (inputs.tensors[i] && op.mutates >> i & 1) ++tensor_of(inputs.tensors[i])->version;
  Py_RETURN_NONE;
}

// Whether an input lies in memory in another order than C's.
bool may_turn(const Op& op, const Inputs& inputs) {
  for (int i = 0; i < op.n_inputs; ++i)
    if (inputs.tensors[i] && !(array_of(array_in(inputs, i))->flags & kContiguous)) return true;
  return false;
}

// The outputs of an op that a kernel computes; false with an error set.
bool run_fresh(const Op& op, const Signature& s, const Inputs& inputs, py::object* outputs) {
  const int n = int(s.outputs.size());
  View in[kMaxArgs], out[kMaxArgs];
  Turned turn;
  const void* attrs = PyBytes_AS_STRING(s.packed.ptr());
  if (!make_views(op, inputs, in)) return false;
  if (n && may_turn(op, inputs)) turn = turned(*op.kernel, in, op.n_inputs, s.outputs[0], attrs);
  for (int i = 0; i < n; ++i) {
    PyObject* y = new_array(s.outputs[size_t(i)], turn.outputs);
    outputs[i] = py::reinterpret_steal<py::object>(y);
    if (!y || !make_view(y, !turn.inputs, &out[i])) return false;
  }
  if (turn.inputs) {
    attrs = turn.attrs;
    for (int i = 0; i < op.n_inputs; ++i) in[i] = turned(in[i], turn.inputs);
    for (int i = 0; i < n; ++i) out[i] = turned(out[i], turn.outputs);
  }
  return run_kernel(op, attrs, in, out, n);
}

const Saves* saves_of(Op* op, unsigned wanted) {
  auto found = op->saves->find(wanted);
  if (found != op->saves->end()) return &found->second;
  auto answer =
      py::reinterpret_steal<py::object>(PyObject_CallMethod(object_of(op), "saves", "(I)", wanted));
  if (!answer) return nullptr;
  auto lists = py::cast<std::pair<std::vector<uint8_t>, std::vector<uint8_t>>>(answer);
  return &op->saves->emplace(wanted, Saves{lists.first, lists.second}).first->second;
}

// Also of a stand-in for an array, while a function is traced.
bool is_float_array(PyObject* array) {
  if (is_plain_array(array)) return dtype_kind(array_of(array)->descr) == 'f';
  if (is_symbol(array)) return dtype_kind(stood_for(array)->dtype) == 'f';
  return py::cast<char>(py::reinterpret_borrow<py::object>(array).attr("dtype").attr("kind")) ==
         'f';
}

PyObject* execute(Op* op, const std::shared_ptr<const Signature>& s, const Inputs& inputs) {
  if (op->mutates) return mutate(*op, *s, inputs);
  py::object outputs[kMaxArgs];
  PyObject* tensors[kMaxArgs];
  const bool computed = !s->compute.is_none();
  const int n = computed ? 1 : int(s->outputs.size());
  if (computed)
    outputs[0] = py::reinterpret_steal<py::object>(compute(*op, *s, inputs));
  else if (!run_fresh(*op, *s, inputs, outputs))
    return nullptr;
  for (int i = 0; i < n; ++i) {
    outputs[i] = py::reinterpret_steal<py::object>(wrap(outputs[i].release().ptr()));
    if (!outputs[i]) return nullptr;
    tensors[i] = outputs[i].ptr();
  }
  if (mode().grad && !record(op, s, inputs, tensors, n)) return nullptr;
  return one_or_all(outputs, n);
}

// ---- calls -------------------------------------------------------------------------------------

// The other arguments of a call, and the names of the last of them.
struct Rest {
  PyObject* const* args;
  Py_ssize_t n;
  PyObject* names;
};

// f(*inputs, *rest); null with its error set.
py::object ask(PyObject* f, const Op& op, const Inputs& inputs, const Rest& rest) {
  std::vector<PyObject*> stack;
  for (int i = 0; i < op.n_inputs; ++i)
    stack.push_back(inputs.tensors[i] ? inputs.tensors[i] : Py_None);
  const Py_ssize_t named = rest.names ? PyTuple_GET_SIZE(rest.names) : 0;
  stack.insert(stack.end(), rest.args, rest.args + rest.n + named);
  return py::reinterpret_steal<py::object>(
      PyObject_Vectorcall(f, stack.data(), size_t(op.n_inputs + rest.n), rest.names));
}

PyObject* ordinary_call(Op* op, const Inputs& inputs, const Rest& rest) {
  CallKey key;
  const bool shared = key.set(*op, inputs.tensors, rest.args, rest.n, rest.names);
  std::shared_ptr<const Signature> s = shared ? op->cache->find(key) : nullptr;
  if (!s) {
    py::object result = ask(op->rule, *op, inputs, rest);
    s = result ? make_signature(op, inputs.tensors, result.ptr()) : nullptr;
    if (!s) return nullptr;
    if (shared) op->cache->add(key, s);
  }
  if (op->values != Py_None && !ask(op->values, *op, inputs, rest)) return nullptr;
  return mode().trace ? note(op, s, inputs) : execute(op, s, inputs);
}

PyObject* call_op(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
  Op* op = op_of(self);
  const Py_ssize_t n = PyVectorcall_NARGS(nargsf);
  if (names && PyTuple_GET_SIZE(names) == 0) names = nullptr;
  Inputs inputs;
  if (gather(*op, args, n, names, &inputs)) {
    const Py_ssize_t given = n < op->n_inputs ? n : op->n_inputs;
    return ordinary_call(op, inputs, {args + given, n - given, names});
  }
  if (PyErr_Occurred()) return nullptr;
  auto general = py::reinterpret_steal<py::object>(PyObject_GetAttrString(self, "_call"));
  return general ? PyObject_Vectorcall(general.ptr(), args, size_t(n), names) : nullptr;
}

// Fills `inputs` from a list of tensors and Nones; false with an error set.
bool read_inputs(const Op& op, PyObject* list, Inputs* inputs) {
  bool good = PyList_Check(list) && PyList_GET_SIZE(list) == op.n_inputs;
  for (int i = 0; good && i < op.n_inputs; ++i) {
    PyObject* x = PyList_GET_ITEM(list, i);
    inputs->tensors[i] = x == Py_None ? nullptr : x;
    good = x == Py_None || (is_tensor(x) && tensor_of(x)->array);
  }
  if (!good) PyErr_SetString(PyExc_TypeError, "Op: expected a list of the op's inputs, tensors");
  return good;
}

// run(inputs, result): the op on checked inputs.
PyObject* op_call(PyObject* self, PyObject* const* args, size_t nargsf, PyObject* names) {
  return translated([=] { return call_op(self, args, nargsf, names); });
}

PyObject* run_as_told(PyObject* self, PyObject* const* argv, Py_ssize_t argc) {
  Op* op = op_of(self);
  Inputs inputs;
  if (argc != 2) {
    PyErr_SetString(PyExc_TypeError, "Op._run: expected inputs and a Result");
    return nullptr;
  }
  if (!read_inputs(*op, argv[0], &inputs)) return nullptr;
  auto s = make_signature(op, inputs.tensors, argv[1]);
  if (!s) return nullptr;
  return mode().trace ? note(op, s, inputs) : execute(op, s, inputs);
}

PyObject* op_run(PyObject* self, PyObject* const* argv, Py_ssize_t argc) {
  return translated([=] { return run_as_told(self, argv, argc); });
}

// ---- the type ----------------------------------------------------------------------------------

PyObject* op_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (!self) return nullptr;
  op_of(self)->vectorcall = op_call;
  op_of(self)->cache = new SignatureCache;
  op_of(self)->saves = new std::map<unsigned, Saves>;
  return self;
}

void op_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  Py_XDECREF(op_of(self)->rule);
  Py_XDECREF(op_of(self)->values);
  Py_XDECREF(op_of(self)->names);
  delete op_of(self)->cache;
  delete op_of(self)->saves;
  type->tp_free(self);
  Py_DECREF(type);
}

// Op(rule, kinds, names, required, kernel, mutates, differentiable, floats, values); see record.py.
int op_init(PyObject* self, PyObject* args, PyObject*) {
  Op* op = op_of(self);
  PyObject *rule, *kinds, *names, *values;
  int kernel, floats;
  if (!PyArg_ParseTuple(args, "OSO!iiIIpO", &rule, &kinds, &PyTuple_Type, &names, &op->required,
                        &kernel, &op->mutates, &op->differentiable, &floats, &values))
    return -1;
  const Py_ssize_t n = PyBytes_GET_SIZE(kinds);
  if (n > kMaxArgs || PyTuple_GET_SIZE(names) != n || kernel >= op_count()) {
    PyErr_SetString(PyExc_ValueError, "Op: too many inputs, or no such kernel");
    return -1;
  }
  Py_INCREF(rule);
  Py_INCREF(values);
  Py_INCREF(names);
  Py_XSETREF(op->names, names);
  Py_XSETREF(op->rule, rule);
  Py_XSETREF(op->values, values);
  op->kernel = kernel < 0 ? nullptr : &op_table()[kernel];
  op->n_inputs = int(n);
  for (int i = 0; i < op->n_inputs; ++i) op->kinds[i] = Kind(PyBytes_AS_STRING(kinds)[i]);
  op->floats = floats;
  return 0;
}

// As a function does: on an instance it is a method.
PyObject* op_get(PyObject* self, PyObject* instance, PyObject*) {
  if (instance) return PyMethod_New(self, instance);
  Py_INCREF(self);
  return self;
}

// A class made by Python does not inherit these flags, but all that they promise.
PyObject* op_subclass(PyObject* type, PyObject*, PyObject*) {
  reinterpret_cast<PyTypeObject*>(type)->tp_flags |=
      Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR;
  Py_RETURN_NONE;
}

PyMemberDef op_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Op, vectorcall), READONLY, nullptr},
    {"_graded", T_UINT, offsetof(Op, graded), 0, "Bits: the inputs that have a gradient rule."},
    {},
};

PyMethodDef op_methods[] = {
    {"_run", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(op_run)), METH_FASTCALL,
     "_run(inputs, result): runs on checked inputs and leaves a node if gradients are wanted; a "
     "trace notes it."},
    {"__init_subclass__", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(op_subclass)),
     METH_VARARGS | METH_KEYWORDS | METH_CLASS, nullptr},
    {},
};

PyType_Slot op_slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(op_new)},
    {Py_tp_init, reinterpret_cast<void*>(op_init)},
    {Py_tp_dealloc, reinterpret_cast<void*>(op_dealloc)},
    {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
    {Py_tp_descr_get, reinterpret_cast<void*>(op_get)},
    {Py_tp_members, op_members},
    {Py_tp_methods, op_methods},
    {},
};

PyType_Spec op_spec = {"nnfast._core.Op", sizeof(Op), 0,
                       Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_VECTORCALL |
                           Py_TPFLAGS_METHOD_DESCRIPTOR,
                       op_slots};

}  // namespace

bool record(Op* op, const std::shared_ptr<const Signature>& s, const Inputs& inputs,
            PyObject* const* outputs, int n_outputs) {
  unsigned wanted = 0;
  for (int i = 0; i < op->n_inputs; ++i)
    if (inputs.tensors[i] && tensor_of(inputs.tensors[i])->requires_grad)
      wanted |= op->graded & 1u << i;
  if (!wanted) return true;
  const Saves* saves = saves_of(op, wanted);
  if (!saves) return false;
  auto node = py::reinterpret_steal<py::object>(new_node(op, s, saves, inputs.tensors, outputs));
  if (!node) return false;
  for (int i = 0; i < n_outputs; ++i)
    if (op->differentiable >> i & 1 && is_float_array(tensor_of(outputs[i])->array))
      link(outputs[i], node.ptr(), i);
  return true;
}

PyObject* one_or_all(py::object* outputs, int n) {
  if (n == 1) return outputs[0].release().ptr();
  PyObject* all = PyTuple_New(n);
  for (int i = 0; all && i < n; ++i) PyTuple_SET_ITEM(all, i, outputs[i].release().ptr());
  return all;
}

void bind_op(py::module_& m) {
  m.attr("Op") = py::reinterpret_steal<py::object>(PyType_FromSpec(&op_spec));
}

}  // namespace nnf
