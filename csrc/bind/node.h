// A node: one call of an op, remembered for the backward pass (nnfast/graph/node.py).
#pragma once

#include <memory>

#include "bind/op.h"

namespace nnf {

// What a node holds on to: where an input came from (a Node, a leaf, or null) and as which of its
// outputs; or a saved value (an input as tensor, an output as array) and its version.
struct Link {
  PyObject* to;
  Py_ssize_t number;
};

struct Node {
  PyObject_VAR_HEAD Op* op;
  std::shared_ptr<const Signature> signature;
  const Saves* saves;
  Py_ssize_t number;  // grows with time
  bool freed;         // the saved values are gone
  PyObject* hooks;    // called with the gradients of its outputs; null: none
  Link links[1];      // one for each input, then the saved inputs, then the saved outputs

  Link* edges() { return links; }
  Link* saved() { return links + op->n_inputs; }
  size_t saved_count() const { return saves->inputs.size() + saves->outputs.size(); }
};

inline Node* node_of(PyObject* o) { return reinterpret_cast<Node*>(o); }

// Null with an error set on failure. `inputs` may hold nulls.
PyObject* new_node(Op* op, const std::shared_ptr<const Signature>& signature, const Saves* saves,
                   PyObject* const* inputs, PyObject* const* outputs);

}  // namespace nnf
