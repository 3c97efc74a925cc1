// The part of an op's record (nnfast/ops/record.py) that every call needs, and calls themselves.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "bind/bind.h"
#include "ops/registry.h"

namespace nnf {

// What a shape rule answered, ready to run. Calls with the same shapes, dtypes and plain
// arguments share one.
struct Signature {
  pybind11::object attrs;     // for the gradient rules
  pybind11::object compute;   // NumPy does it; None: a kernel
  pybind11::object packed;    // attributes as the kernel's struct, bytes
  pybind11::object specs;     // (shape, dtype) of each output
  pybind11::object shapes;    // of each input, None where absent
  pybind11::object result;    // the rule's answer, which has these
  std::vector<View> outputs;  // of a kernel, without memory
  bool is_view = false;

  // How a view lies in the memory of the first input, once it is known: `compute` then need not be
  // asked again for inputs of the same layout.
  struct Layout {
    bool known = false, writable;
    int ndim;
    Py_intptr_t shape[kMaxDims], strides[kMaxDims], offset;
  };
  mutable Layout layout;

  // The same of the symbols of a traced function, once one has been noted: bytes from the first of
  // the input, strides as in its value.
  struct Place {
    pybind11::object strides;
    Py_ssize_t offset;
    bool writeable;
  };
  mutable Place place;
};

// Which inputs and outputs the gradient rules of some inputs ask for.
struct Saves {
  std::vector<uint8_t> inputs, outputs;
};

enum class Kind : uint8_t { operand, tensor, integer, boolean, any };  // KINDS of operands.py

class SignatureCache;

struct Op {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject* rule;
  PyObject* names;       // of the inputs, a tuple
  PyObject* values;      // checks the values of the inputs at every call; None: nothing to check
  const OpInfo* kernel;  // null: NumPy computes
  int n_inputs, required;
  Kind kinds[kMaxArgs];
  unsigned mutates, differentiable, graded;  // bits: inputs changed, outputs, inputs with a rule
  bool floats;
  SignatureCache* cache;
  std::map<unsigned, Saves>* saves;
};

// The input tensors of one call; null where an optional one is absent.
struct Inputs {
  PyObject* tensors[kMaxArgs];
  pybind11::object made[kMaxArgs];  // those that stand for Python numbers
};

// Leaves a node if gradients are wanted; false with an error set.
bool record(Op* op, const std::shared_ptr<const Signature>& s, const Inputs& inputs,
            PyObject* const* outputs, int n_outputs);

// What a call answers: its output, or a tuple of all.
PyObject* one_or_all(pybind11::object* outputs, int n);

}  // namespace nnf
