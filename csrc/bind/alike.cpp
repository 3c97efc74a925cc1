// Whether a traced graph is that of a larger batch with fewer rows: see nnfast/graph/fewer.py.
#include <algorithm>
#include <unordered_set>

#include "bind/value.h"

namespace py = pybind11;

namespace nnf {

namespace {

class Alike {
 public:
  Alike(PyObject* known, PyObject* same_source) : known_(known), same_source_(same_source) {}

  bool calls(PyObject* a, PyObject* b) {
    const Py_ssize_t n = PyList_GET_SIZE(a);
    if (n != PyList_GET_SIZE(b)) return false;
    for (Py_ssize_t i = 0; i < n; ++i)
      if (!call(call_of(PyList_GET_ITEM(a, i)), call_of(PyList_GET_ITEM(b, i)))) return false;
    return true;
  }

  // Whether values correspond; takes note of them.
  bool all(PyObject* a, PyObject* b) {
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(a);
    if (n != PySequence_Fast_GET_SIZE(b)) return false;
    for (Py_ssize_t i = 0; i < n; ++i)
      if (!one(PySequence_Fast_GET_ITEM(a, i), PySequence_Fast_GET_ITEM(b, i))) return false;
    return true;
  }

 private:
  bool call(const OpCall* p, const OpCall* q) {
    if (p->op != q->op) return false;
    if (PyTuple_GET_SIZE(p->changed) == 0 && !equal(p->attrs, q->attrs)) return false;
    return all(p->inputs, q->inputs) && all(p->outputs, q->outputs);
  }

  bool one(PyObject* x, PyObject* y) {
    if (PyObject* known = PyDict_GetItemWithError(known_, x)) return known == y;
    if (!is_value(x) || !is_value(y) || taken_.count(y)) return false;
    if (x != y && !pair(value_of(x), value_of(y))) return false;  // captured ones may be the same
    if (PyDict_SetItem(known_, x, y) < 0) throw py::error_already_set();
    taken_.insert(y);
    return true;
  }

  // Whether the second may be the smaller one of the first.
  bool pair(const Value* x, const Value* y) {
    if (!equal(x->dtype, y->dtype) || !equal(x->offset, y->offset)) return false;
    Layout a, b;
    if (!read_layout(x, &a) || !read_layout(y, &b)) throw py::error_already_set();
    PyObject *root = or_null(x->root), *other = or_null(y->root);
    if (root || other) {
      if (!root || !other || !one(root, other) || (is_whole(a, root) && !is_whole(b, other)))
        return false;
    } else if ((or_null(x->source) || or_null(y->source)) && !same_source(x->source, y->source)) {
      return false;
    }
    return a == b || is_smaller(a, b);
  }

  // Whether b lies as a does, with fewer elements; 0 and 1 stay, and what is dense.
  static bool is_smaller(const Layout& a, const Layout& b) {
    if (a.ndim != b.ndim || a.is_dense() != b.is_dense()) return false;
    for (int d = 0; d < a.ndim; ++d) {
      const int64_t m = a.shape[d], n = b.shape[d];
      if (a.strides[d] != b.strides[d] || (m != n && (n <= 1 || n > m))) return false;
    }
    return true;
  }

  static bool is_whole(const Layout& view, PyObject* root) {
    Layout whole;
    if (!read_layout(value_of(root), &whole)) throw py::error_already_set();
    return view.size == whole.size;
  }

  bool same_source(PyObject* a, PyObject* b) {
    py::object none = py::none();
    py::object answer =
        py::handle(same_source_)(py::handle(a ? a : none.ptr()), py::handle(b ? b : none.ptr()));
    return answer.cast<bool>();
  }

  static bool equal(PyObject* a, PyObject* b) {
    const int same = PyObject_RichCompareBool(a, b, Py_EQ);
    if (same < 0) throw py::error_already_set();
    return same;
  }

  PyObject *known_, *same_source_;
  std::unordered_set<PyObject*> taken_;
};

bool are_alike(const py::dict& known, const std::pair<py::list, py::list>& a,
               const std::pair<py::list, py::list>& b, const py::object& same_source) {
  Alike alike(known.ptr(), same_source.ptr());
  return alike.calls(a.first.ptr(), b.first.ptr()) && alike.all(a.second.ptr(), b.second.ptr());
}

}  // namespace

void bind_alike(py::module_& m) {
  m.def("alike", &are_alike, py::arg("known"), py::arg("larger"), py::arg("smaller"),
        py::arg("same_source"),
        "Whether two graphs (calls, results) are alike, but for the sizes of arrays; notes in "
        "`known` to which value of the second each of the first corresponds.");
}

}  // namespace nnf
