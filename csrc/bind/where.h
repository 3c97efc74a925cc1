// Where in the user's program a traced op is called.
#pragma once

#include "bind/bind.h"

namespace nnf {

// Found in the frames of the interpreter, from the innermost on.
struct Spot {
  pybind11::object module;  // `self` of the first that runs the code `call`, or None
  pybind11::object file;    // what `files` says of the path of the first for which that is not ""
  int line = 0;             // there; 0: none is known
};

// The search ends where `files` says None of a path.
Spot innermost(pybind11::handle call, pybind11::handle files);

}  // namespace nnf
