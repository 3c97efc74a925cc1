#include "bind/call.h"

#include <algorithm>

#include "bind/array.h"
#include "bind/collected.h"
#include "bind/labels.h"

namespace py = pybind11;

namespace nnf {

namespace {

py::object owned(PyObject* o) {
  if (!o) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(o);
}

py::object not_implemented() { return py::reinterpret_borrow<py::object>(Py_NotImplemented); }

void set_gradient(PyObject* leaf, PyObject* grad) {
  Py_INCREF(grad);
  Py_XSETREF(tensor_of(leaf)->grad, grad);
}

}  // namespace

Call::Call(py::object plan, py::object identities, py::object surroundings, py::object arguments,
           const py::list& sources, const py::list& checks, py::list answers, py::object rebuild,
           const py::dict& actions)
    : plan_object_(plan),
      identities_object_(identities),
      surroundings_object_(surroundings),
      plan_(plan.cast<BoundPlan&>()),
      identities_(identities.cast<Guards&>()),
      surroundings_(surroundings.cast<Guards&>()),
      grad_(mode().grad),
      quick_(!arguments.is_none()),
      answers_(std::move(answers)),
      kept_(actions["kept"]),
      left_(actions["left"]),
      after_(actions["after"]),
      rebuild_(std::move(rebuild)),
      dense_(actions["dense"]),
      failed_(actions["failed"]) {
  if (quick_)
    for (py::handle t : arguments) {
      const Array* a = array_of(tensor_of(t.ptr())->array);
      kinds_.push_back({py::reinterpret_borrow<py::object>(a->descr),
                        {a->dimensions, a->dimensions + a->nd},
                        tensor_of(t.ptr())->requires_grad});
    }
  for (py::handle h : sources) {
    const auto s = py::reinterpret_borrow<py::tuple>(h);  // (index, tensor, make, dict, names)
    sources_.push_back({s[0].cast<int>(), s[1], s[2], {}, Watch(s[3], s[4])});
  }
  for (py::handle h : checks) {
    const auto c = py::reinterpret_borrow<py::tuple>(h);  // (source, check, below)
    checks_.push_back({c[0].cast<int>(), c[1], c[2].cast<int64_t>()});
  }
  if (sources_.size() > plan_.given_count()) throw py::value_error("_core.Call: sources");
}

bool Call::is_like(const Kind& kind, PyObject* o) const {
  if (!is_exact_tensor(o)) return false;
  const Tensor* t = tensor_of(o);
  if (!t->array || !is_plain_array(t->array) || t->requires_grad != kind.requires_grad ||
      (t->hooks && t->hooks != Py_None))
    return false;
  const Array* a = array_of(t->array);
  return a->flags & kContiguous && a->descr == kind.dtype.ptr() &&
         size_t(a->nd) == kind.shape.size() &&
         std::equal(kind.shape.begin(), kind.shape.end(), a->dimensions);
}

py::object Call::attempt(const py::tuple& arguments) {
  if (!quick_ || mode().trace || mode().grad != grad_ || arguments.size() != kinds_.size())
    return not_implemented();
  for (size_t i = 0; i < kinds_.size(); ++i)
    if (!is_like(kinds_[i], PyTuple_GET_ITEM(arguments.ptr(), Py_ssize_t(i))))
      return not_implemented();
  if (!identities_.hold() || !surroundings_.hold()) return not_implemented();
  return run(&PyTuple_GET_ITEM(arguments.ptr(), 0));
}

py::object Call::run(const py::list& leaves) {
  const auto held = py::tuple(leaves);
  return run(&PyTuple_GET_ITEM(held.ptr(), 0));
}

py::object Call::run(PyObject* const* leaves) {
  // Before rates are asked for: they move on.
  if (!plan_.fits() || changes_argument(leaves)) return not_implemented();
  std::vector<py::object> arrays;
  const size_t n = plan_.given_count();
  arrays.reserve(n);
  for (Source& s : sources_) arrays.push_back(array(s, arrays.size(), leaves));
  for (const Check& c : checks_)
    if (!is_known_good(c, arrays)) c.check(c.source < 0 ? py::none() : arrays[size_t(c.source)]);
  while (arrays.size() < n) arrays.push_back(owned(new_array(plan_.given(arrays.size()))));
  static_assert(sizeof(py::object) == sizeof(PyObject*));
  switch (plan_.run(reinterpret_cast<PyObject* const*>(arrays.data()), n)) {
    case BoundPlan::REFUSED:
      return not_implemented();
    case BoundPlan::NOT_FINITE:
      return failed_(py::tuple(py::cast(arrays)));  // raises
    default:
      return answer(arrays, leaves);
  }
}

// Whether an argument lies in what the plan changes: the function may read it after that.
bool Call::changes_argument(PyObject* const* leaves) const {
  return std::any_of(sources_.begin(), sources_.end(), [&](const Source& s) {
    if (s.index < 0) return false;
    PyObject* leaf = leaves[s.index];
    return plan_.changes(
        py::reinterpret_borrow<py::array>(is_tensor(leaf) ? tensor_of(leaf)->array : leaf));
  });
}

py::object Call::array(Source& s, size_t i, PyObject* const* leaves) {
  if (s.index >= 0) {
    PyObject* leaf = leaves[s.index];
    return dense(is_tensor(leaf) ? tensor_of(leaf)->array : leaf, i);
  }
  if (!s.tensor.is_none()) {
    PyObject* grad = tensor_of(s.tensor.ptr())->grad;
    return dense(grad && is_tensor(grad) ? tensor_of(grad)->array : Py_None, i);
  }
  if (s.latest && s.watch.same()) return s.latest;
  Watch watch = s.watch;  // `make` may raise, or let another thread in
  watch.look();
  py::object latest = s.make();
  s.latest = latest, s.watch = watch;
  return latest;
}

bool Call::is_known_good(const Check& c, const std::vector<py::object>& arrays) const {
  if (c.source < 0 || c.below < 0) return false;
  const Array* a = array_of(arrays[size_t(c.source)].ptr());
  DType t;
  if (!(a->flags & kContiguous) || !kernel_dtype(a->descr, &t) || t != DType::i64) return false;
  int64_t size = 1;
  for (int d = 0; d < a->nd; ++d) size *= a->dimensions[d];
  return all_below(size, reinterpret_cast<const int64_t*>(a->data), uint64_t(c.below));
}

// The array itself where the core can read it.
py::object Call::dense(PyObject* array, size_t i) {
  constexpr int kNeeded = kContiguous | kAligned;
  DType t;
  if (is_plain_array(array) && (array_of(array)->flags & kNeeded) == kNeeded &&
      kernel_dtype(array_of(array)->descr, &t) && t == plan_.given(i).dtype)
    return py::reinterpret_borrow<py::object>(array);
  return dense_(py::handle(array), i);
}

py::object Call::answer(const std::vector<py::object>& arrays, PyObject* const* leaves) {
  size_t next = sources_.size();
  auto result = [&] { return owned(wrap(arrays[next++].inc_ref().ptr())); };
  auto found = [&](py::handle a) {
    if (is_tensor(a.ptr())) return py::reinterpret_borrow<py::object>(a);
    if (PyLong_Check(a.ptr())) return py::reinterpret_borrow<py::object>(leaves[a.cast<int>()]);
    return a.is_none() ? result() : py::object(a(result()));
  };
  py::object all;  // or the only one
  if (rebuild_.is_none()) {
    all = found(answers_[0]);
  } else {
    all = py::list();
    for (py::handle a : answers_) py::reinterpret_borrow<py::list>(all).append(found(a));
  }
  for (py::handle leaf : kept_) set_gradient(leaf.ptr(), result().ptr());
  for (py::handle pair : left_)
    set_gradient(PyTuple_GET_ITEM(pair.ptr(), 0), PyTuple_GET_ITEM(pair.ptr(), 1));
  for (py::handle action : after_) action();
  return rebuild_.is_none() ? all : rebuild_(all);
}

void bind_call(py::module_& m) {
  py::class_<Call>(m, "Call", "A call of a compiled function; see nnfast/graph/entry.py.",
                   collected<Call>())
      .def(py::init<py::object, py::object, py::object, py::object, const py::list&,
                    const py::list&, py::list, py::object, const py::dict&>(),
           py::arg("plan"), py::arg("identities"), py::arg("surroundings"), py::arg("arguments"),
           py::arg("sources"), py::arg("checks"), py::arg("answers"), py::arg("rebuild"),
           py::arg("actions"))
      .def("attempt", &Call::attempt, py::arg("arguments"),
           "The answer to positional arguments; NotImplemented, and nothing done, if something is "
           "not as the plan took it.")
      .def("run", py::overload_cast<const py::list&>(&Call::run), py::arg("leaves"),
           "The answer to leaves of arguments whose kinds have been looked at, or "
           "NotImplemented.");
}

}  // namespace nnf
