// What a traced function leaves behind (nnfast/graph/ir.py): values, and the calls that make them;
// and symbols, which lie where the arrays of tensors would be (nnfast/graph/symbol.py).
#pragma once

#include "base/view.h"
#include "bind/bind.h"

namespace nnf {

// An array of a plan. A view has a root, in whose memory it lies. Fields that are not given are
// null, which Python sees as None, but for `offset`.
struct Value {
  PyObject_HEAD PyObject* shape;
  PyObject* dtype;
  PyObject* root;
  PyObject* offset;   // bytes from the root's first, an int
  PyObject* strides;  // bytes; None: C-contiguous
  PyObject* source;   // None: a call makes it (or its root's)
  PyObject* like;     // where a pass made it: what it has its shape from
};

// One call of a kernel.
struct OpCall {
  PyObject_HEAD PyObject* op;
  PyObject* inputs;
  PyObject* outputs;
  PyObject* attrs;
  PyObject* changed;
  PyObject* where;
  PyObject* overwrites;
  PyObject* reads;  // the memory of what it takes and makes, once somebody has asked
  PyObject* writes;
};

// Symbols that are alive, in a ring.
struct Ring {
  Ring *before, *after;
};

struct Symbol {
  PyObject_HEAD PyObject* value;
  PyObject* layout;  // an array of that shape and strides, once somebody has asked
  bool writeable;    // as NumPy would say it of the array
  Ring ring;
};

inline Value* value_of(PyObject* o) { return reinterpret_cast<Value*>(o); }
inline OpCall* call_of(PyObject* o) { return reinterpret_cast<OpCall*>(o); }
inline Symbol* symbol_of(PyObject* o) { return reinterpret_cast<Symbol*>(o); }
inline PyObject* or_null(PyObject* o) { return o == Py_None ? nullptr : o; }

bool is_value(PyObject* o);
bool is_symbol(PyObject* o);
inline Value* stood_for(PyObject* symbol) { return value_of(symbol_of(symbol)->value); }

// Itself, or what it is a view of; borrowed.
inline PyObject* memory_of_value(PyObject* value) {
  PyObject* root = or_null(value_of(value)->root);
  return root ? root : value;
}

// Where the elements of a value lie; of more dimensions than kernels take: false, with an error
// set.
struct Layout {
  int ndim;
  int64_t shape[kMaxDims], strides[kMaxDims];  // bytes
  int64_t size, item;

  bool is_dense() const;  // one behind the other, in C order
  bool operator==(const Layout& other) const;
};
bool read_layout(const Value* v, Layout* layout);

// All return new references, or null with an error set; what they are made of they borrow.
PyObject* new_value(PyObject* shape, PyObject* dtype, PyObject* root = nullptr,
                    PyObject* offset = nullptr, PyObject* strides = nullptr);
PyObject* new_call(PyObject* op, PyObject* inputs, PyObject* outputs, PyObject* attrs,
                   PyObject* changed, PyObject* where);
PyObject* new_symbol(PyObject* value, bool writeable, Ring* ring);

}  // namespace nnf
