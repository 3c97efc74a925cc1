// The slots of a tensor, and what the calling thread records.
#pragma once

#include "bind/bind.h"

namespace nnf {

struct Node;

// nnfast.Tensor (nnfast/tensor.py) is a subclass with everything else.
struct Tensor {
  PyObject_HEAD PyObject* array;
  PyObject* grad;   // a Tensor, None or null
  PyObject* node;   // made this tensor; None or null for a leaf
  Py_ssize_t slot;  // as its output number `slot`
  Py_ssize_t version;
  Py_ssize_t touched;  // how often Python code took or replaced the array: it may write there
  PyObject* weak_references;
  PyObject* hooks;  // of a leaf: called with its gradient; None or null: none
  bool requires_grad;
};

bool is_tensor(PyObject* o);
bool is_exact_tensor(PyObject* o);  // of no subclass
inline Tensor* tensor_of(PyObject* o) { return reinterpret_cast<Tensor*>(o); }
inline PyObject* node_or_null(const Tensor* t) { return t->node == Py_None ? nullptr : t->node; }

// A tensor on `array`, to which it takes the reference. Null with an error set on failure, or if
// `array` is null.
PyObject* wrap(PyObject* array);
void link(PyObject* tensor, PyObject* node, Py_ssize_t slot);  // output `slot` of that node

struct Mode {
  bool grad = true;
  PyObject* trace = nullptr;  // called by ops instead of running; null: they run
};
Mode& mode();  // of the calling thread

}  // namespace nnf
