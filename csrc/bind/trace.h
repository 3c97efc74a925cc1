// What notes the ops of a function instead of running them: the base of nnfast/graph/trace.py.
#pragma once

#include "bind/op.h"

namespace nnf {

// The answer to a call while something traces: symbols, if it is a Trace; else what it says when
// called as trace(op, inputs, result, packed attributes). Null with an error set.
PyObject* note(Op* op, const std::shared_ptr<const Signature>& s, const Inputs& inputs);

}  // namespace nnf
