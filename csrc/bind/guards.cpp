#include "bind/guards.h"

#include "bind/collected.h"
#include "bind/tensor.h"

namespace py = pybind11;

namespace nnf {

namespace {

// Whether nothing inside it can change.
bool is_settled(PyObject* o) {
  if (PyTuple_CheckExact(o)) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(o); ++i)
      if (!is_settled(PyTuple_GET_ITEM(o, i))) return false;
    return true;
  }
  return o == Py_None || PyBool_Check(o) || PyFloat_CheckExact(o) || PyLong_CheckExact(o) ||
         PyUnicode_CheckExact(o);
}

// owner.name as a new reference; null if there is none.
py::object attribute_of(PyObject* owner, PyObject* name) {
  PyObject* found = PyObject_GetAttr(owner, name);
  if (!found) {
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) throw py::error_already_set();
    PyErr_Clear();
  }
  return py::reinterpret_steal<py::object>(found);
}

// f(object) for what a container holds, until it returns false.
template <class F>
bool each(PyObject* container, F&& f) {
  if (PyDict_Check(container)) {
    PyObject *key, *value;
    for (Py_ssize_t i = 0; PyDict_Next(container, &i, &key, &value);)
      if (!f(key) || !f(value)) return false;
    return true;
  }
  if (PyList_Check(container)) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(container); ++i)
      if (!f(PyList_GET_ITEM(container, i))) return false;
    return true;
  }
  for (py::handle o : py::iter(container))
    if (!f(o.ptr())) return false;
  return true;
}

bool holds(PyObject* container, PyObject* expected) {
  Py_ssize_t next = 0;
  const Py_ssize_t n = PyTuple_GET_SIZE(expected);
  return each(container,
              [&](PyObject* o) { return next < n && PyTuple_GET_ITEM(expected, next++) == o; }) &&
         next == n;
}

bool has_gradient(PyObject* tensor) {
  PyObject* grad = tensor_of(tensor)->grad;
  return grad && grad != Py_None;
}

}  // namespace

bool Watch::same() const {
  if (!seen_) return false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names_.ptr()); ++i)
    if (PyDict_GetItem(dict_.ptr(), PyTuple_GET_ITEM(names_.ptr(), i)) !=
        PyTuple_GET_ITEM(seen_.ptr(), i))
      return false;
  return true;
}

void Watch::look() {
  seen_ = py::object();
  if (!dict_ || !PyDict_Check(dict_.ptr())) return;
  const auto n = size_t(PyTuple_GET_SIZE(names_.ptr()));
  py::tuple found(n);
  for (size_t i = 0; i < n; ++i) {
    PyObject* o = PyDict_GetItem(dict_.ptr(), PyTuple_GET_ITEM(names_.ptr(), Py_ssize_t(i)));
    if (!o || !is_settled(o)) return;
    found[i] = py::reinterpret_borrow<py::object>(o);
  }
  seen_ = std::move(found);
}

void Guards::add(Kind kind, py::object owner, py::object name) {
  Seen s{kind, std::move(owner), std::move(name), {}};
  s.value = now(s);
  seen_.push_back(std::move(s));
}

void Guards::entry(py::dict dict, py::object key) { add(ENTRY, std::move(dict), std::move(key)); }

void Guards::cell(py::object cell) {
  if (!PyCell_Check(cell.ptr())) throw py::type_error("_core.Guards: expected a cell");
  add(CELL, std::move(cell), {});
}

void Guards::attribute(py::object owner, py::object name) {
  add(ATTRIBUTE, std::move(owner), std::move(name));
}

void Guards::items(py::object container) { add(ITEMS, std::move(container), {}); }

void Guards::gradient(py::object tensor) {
  if (!is_tensor(tensor.ptr())) throw py::type_error("_core.Guards: expected a tensor");
  add(GRADIENT, std::move(tensor), {});
}

void Guards::call(py::object read, py::object expected, py::object dict, py::tuple names) {
  calls_.push_back({std::move(read), std::move(expected), Watch(std::move(dict), names)});
  calls_.back().watch.look();
}

// As `value` of Seen.
py::object Guards::now(const Seen& s) {
  switch (s.kind) {
    case ENTRY:
      return py::reinterpret_borrow<py::object>(PyDict_GetItem(s.owner.ptr(), s.name.ptr()));
    case CELL:
      return py::reinterpret_borrow<py::object>(PyCell_GET(s.owner.ptr()));
    case ATTRIBUTE:
      return attribute_of(s.owner.ptr(), s.name.ptr());
    case GRADIENT:
      return py::bool_(has_gradient(s.owner.ptr()));
    default: {
      py::list held;
      each(s.owner.ptr(), [&](PyObject* o) { return held.append(py::handle(o)), true; });
      return py::tuple(std::move(held));
    }
  }
}

bool Guards::same(const Seen& s) {
  switch (s.kind) {
    case ENTRY:
      return PyDict_GetItem(s.owner.ptr(), s.name.ptr()) == s.value.ptr();
    case CELL:
      return PyCell_GET(s.owner.ptr()) == s.value.ptr();
    case ATTRIBUTE:
      return attribute_of(s.owner.ptr(), s.name.ptr()).is(s.value);
    case GRADIENT:
      return has_gradient(s.owner.ptr()) == s.value.is(py::handle(Py_True));
    default:
      return holds(s.owner.ptr(), s.value.ptr());
  }
}

// Attributes and calls may run Python code, and so another thread, which may clear the guards.
bool Guards::hold() {
  for (size_t i = 0; i < seen_.size(); ++i) {
    if (seen_[i].kind != ATTRIBUTE) {
      if (!same(seen_[i])) return false;
    } else if (const Seen s = seen_[i]; !same(s)) {
      return false;
    }
  }
  for (size_t i = 0; i < calls_.size(); ++i) {
    if (calls_[i].watch.same()) continue;
    Call c = calls_[i];
    c.watch.look();
    if (!c.read().equal(c.expected)) return false;
    if (i < calls_.size() && calls_[i].read.is(c.read)) calls_[i].watch = c.watch;
  }
  return true;
}

void Guards::clear() {
  std::vector<Seen> seen;
  std::vector<Call> calls;
  seen.swap(seen_), calls.swap(calls_);
}

void bind_guards(py::module_& m) {
  py::class_<Guards>(m, "Guards", "What a plan takes for granted; see csrc/bind/guards.h.",
                     collected<Guards>())
      .def(py::init<>())
      .def("entry", &Guards::entry, "dict[key] stays the same object, or absent.")
      .def("cell", &Guards::cell, "The variable of a closure stays the same object.")
      .def("attribute", &Guards::attribute, "owner.name stays the same object, or absent.")
      .def("items", &Guards::items, "A container holds the same objects, in this order.")
      .def("gradient", &Guards::gradient, "A tensor has a gradient, or none, as now.")
      .def("call", &Guards::call, py::arg("read"), py::arg("expected"),
           py::arg("dict") = py::none(), py::arg("names") = py::tuple(),
           "read() == expected; not asked while these entries of the dict are the same numbers.")
      .def(
          "copy", [](const Guards& g) { return Guards(g); }, "The same guards again.")
      .def("hold", &Guards::hold, "Whether all is as it was.")
      .def("clear", &Guards::clear, "Forget all of it.");
}

}  // namespace nnf
