#include "bind/signature.h"

#include <cstring>

#include "bind/array.h"
#include "bind/tensor.h"
#include "bind/value.h"

namespace py = pybind11;

namespace nnf {

namespace {

bool is_plain(PyObject* x) {
  if (x == Py_None || PyLong_CheckExact(x) || PyBool_Check(x) || PyFloat_CheckExact(x) ||
      PyUnicode_CheckExact(x) || PyType_Check(x) || numpy().PyArrayDescr_Check_(x))
    return true;
  if (!PyTuple_CheckExact(x)) return false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(x); ++i)
    if (!is_plain(PyTuple_GET_ITEM(x, i))) return false;
  return true;
}

// Equal in type and value, bit by bit: 1, 1.0 and True differ, and so do 0.0 and -0.0.
bool same(PyObject* a, PyObject* b) {
  if (a == b) return true;
  if (Py_TYPE(a) != Py_TYPE(b)) return false;
  if (PyFloat_CheckExact(a)) {
    const double x = PyFloat_AS_DOUBLE(a), y = PyFloat_AS_DOUBLE(b);
    return std::memcmp(&x, &y, sizeof x) == 0;
  }
  if (PyTuple_CheckExact(a)) {
    if (PyTuple_GET_SIZE(a) != PyTuple_GET_SIZE(b)) return false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(a); ++i)
      if (!same(PyTuple_GET_ITEM(a, i), PyTuple_GET_ITEM(b, i))) return false;
    return true;
  }
  return (PyLong_CheckExact(a) || PyUnicode_CheckExact(a)) &&
         PyObject_RichCompareBool(a, b, Py_EQ) == 1;
}

uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15;
  return hash ^ hash >> 32;
}

// Shape and dtype of one output as a View without memory; false with an error set.
bool read_spec(PyObject* spec, View* v) {
  PyObject *shape, *dtype, *descr;
  if (!PyArg_ParseTuple(spec, "O!O", &PyTuple_Type, &shape, &dtype)) return false;
  if (!numpy().PyArray_DescrConverter_(dtype, &descr)) return false;
  const bool known = kernel_dtype(descr, &v->dtype);
  Py_DECREF(descr);
  const Py_ssize_t ndim = PyTuple_GET_SIZE(shape);
  if (!known || ndim > kMaxDims) {
    PyErr_SetString(PyExc_ValueError,
                    "_core: expected an output of float32, float64, int64 or bool and of at most "
                    "12 dimensions");
    return false;
  }
  v->ndim = int(ndim);
  for (int d = 0; d < v->ndim; ++d) {
    v->shape[d] = PyNumber_AsSsize_t(PyTuple_GET_ITEM(shape, d), PyExc_OverflowError);
    if (v->shape[d] == -1 && PyErr_Occurred()) return false;
  }
  return true;
}

py::object shapes_of(const Op& op, PyObject* const* inputs) {
  auto shapes = py::reinterpret_steal<py::object>(PyTuple_New(op.n_inputs));
  for (int i = 0; i < op.n_inputs; ++i) {
    auto shape = inputs[i]
                     ? py::reinterpret_borrow<py::object>(tensor_of(inputs[i])->array).attr("shape")
                     : py::object(py::none());
    PyTuple_SET_ITEM(shapes.ptr(), i, shape.release().ptr());
  }
  return shapes;
}

}  // namespace

std::shared_ptr<const Signature> make_signature(Op* op, PyObject* const* inputs, PyObject* result) {
  PyObject *specs, *attrs, *compute;
  int is_view;
  if (!PyTuple_Check(result)) {
    PyErr_SetString(PyExc_TypeError, "a shape rule answers with a Result");
    return nullptr;
  }
  if (!PyArg_ParseTuple(result, "O!OOp", &PyTuple_Type, &specs, &attrs, &compute, &is_view))
    return nullptr;
  auto s = std::make_shared<Signature>();
  s->result = py::reinterpret_borrow<py::object>(result);
  s->attrs = py::reinterpret_borrow<py::object>(attrs);
  s->compute = py::reinterpret_borrow<py::object>(compute);
  s->specs = py::reinterpret_borrow<py::object>(specs);
  s->shapes = shapes_of(*op, inputs);
  s->is_view = is_view;
  if (compute != Py_None) return s;
  s->packed = py::reinterpret_steal<py::object>(
      PyObject_CallMethod(reinterpret_cast<PyObject*>(op), "pack", "(O)", attrs));
  if (!s->packed) return nullptr;
  if (!op->kernel || !PyBytes_Check(s->packed.ptr()) ||
      size_t(PyBytes_GET_SIZE(s->packed.ptr())) != op->kernel->attrs_size) {
    PyErr_SetString(PyExc_ValueError, "a kernel, and as many bytes of attributes as it takes");
    return nullptr;
  }
  s->outputs.resize(size_t(PyTuple_GET_SIZE(specs)));
  if (s->outputs.size() > kMaxArgs) {
    PyErr_SetString(PyExc_ValueError, "_core: expected at most 16 outputs");
    return nullptr;
  }
  for (size_t i = 0; i < s->outputs.size(); ++i)
    if (!read_spec(PyTuple_GET_ITEM(specs, Py_ssize_t(i)), &s->outputs[i])) return nullptr;
  return s;
}

bool CallKey::add_input(PyObject* tensor, bool strides) {
  if (!tensor) {
    numbers_[n_numbers_++] = -1;
    return true;
  }
  if (!is_plain_array(tensor_of(tensor)->array)) return add_form(tensor_of(tensor)->array, strides);
  const Array* a = array_of(tensor_of(tensor)->array);
  DType t;
  if (a->nd > kMaxDims || !kernel_dtype(a->descr, &t)) return false;
  numbers_[n_numbers_++] = a->nd << 8 | int(t);
  for (int d = 0; d < a->nd; ++d) numbers_[n_numbers_++] = a->dimensions[d];
  for (int d = 0; strides && d < a->nd; ++d) numbers_[n_numbers_++] = a->strides[d];
  return true;
}

bool CallKey::add_form(PyObject* stand_in, bool strides) {
  Form form;
  if (!read_form(stand_in, &form)) return false;
  numbers_[n_numbers_++] = form.ndim << 8 | int(form.dtype);
  for (int d = 0; d < form.ndim; ++d) numbers_[n_numbers_++] = form.shape[d];
  if (!strides) return true;
  Layout layout;
  if (!is_symbol(stand_in) || !read_layout(stood_for(stand_in), &layout)) return false;
  for (int d = 0; d < form.ndim; ++d) numbers_[n_numbers_++] = layout.strides[d];
  return true;
}

bool CallKey::set(const Op& op, PyObject* const* inputs, PyObject* const* rest, Py_ssize_t n_rest,
                  PyObject* names) {
  rest_ = rest;
  n_rest_ = size_t(n_rest + (names ? PyTuple_GET_SIZE(names) : 0));
  names_ = names;
  for (size_t i = 0; i < n_rest_; ++i)
    if (!is_plain(rest[i])) return false;
  for (int i = 0; i < op.n_inputs; ++i)
    if (!add_input(inputs[i], !op.kernel)) return false;
  hash_ = mix(n_numbers_, n_rest_);
  for (size_t i = 0; i < n_numbers_; ++i) hash_ = mix(hash_, uint64_t(numbers_[i]));
  for (size_t i = 0; i < n_rest_; ++i) hash_ = mix(hash_, uint64_t(PyObject_Hash(rest[i])));
  return true;
}

bool SignatureCache::Entry::is(const CallKey& key) const {
  if (!signature || hash != key.hash_ || numbers.size() != key.n_numbers_ ||
      rest.size() != key.n_rest_ || !names.ptr() != !key.names_)
    return false;
  if (std::memcmp(numbers.data(), key.numbers_, numbers.size() * sizeof(int64_t))) return false;
  for (size_t i = 0; i < rest.size(); ++i)
    if (!same(rest[i].ptr(), key.rest_[i])) return false;
  return !key.names_ || same(names.ptr(), key.names_);
}

std::shared_ptr<const Signature> SignatureCache::find(const CallKey& key) const {
  for (size_t i = 0; i < kTries && !entries_.empty(); ++i) {
    const Entry& e = entries_[(key.hash_ + i) % kSize];
    if (e.is(key)) return e.signature;
  }
  return nullptr;
}

void SignatureCache::add(const CallKey& key, const std::shared_ptr<const Signature>& signature) {
  if (entries_.empty()) entries_.resize(kSize);
  Entry* e = &entries_[key.hash_ % kSize];
  for (size_t i = 0; i < kTries && e->signature; ++i) e = &entries_[(key.hash_ + i) % kSize];
  if (e->signature) e = &entries_[key.hash_ % kSize];
  e->hash = key.hash_;
  e->numbers.assign(key.numbers_, key.numbers_ + key.n_numbers_);
  e->rest.clear();
  for (size_t i = 0; i < key.n_rest_; ++i)
    e->rest.push_back(py::reinterpret_borrow<py::object>(key.rest_[i]));
  e->names = py::reinterpret_borrow<py::object>(key.names_);
  e->signature = signature;
}

}  // namespace nnf
