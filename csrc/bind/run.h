// How every eager op runs.
#pragma once

#include "bind/bind.h"
#include "ops/registry.h"

namespace nnf {

// Arrays that live for one call: dense copies of inputs.
class Copies {
 public:
  Copies() = default;
  Copies(const Copies&) = delete;
  Copies& operator=(const Copies&) = delete;
  ~Copies() {
    for (int i = 0; i < n_; ++i) Py_DECREF(arrays_[i]);
  }
  // Makes it the view of a copy in C order, if it is not in that order already.
  bool make_dense(View* v);

 private:
  PyObject* arrays_[kMaxArgs];
  int n_ = 0;
};

// Workspace, GIL, denormals; false with a Python error set on failure.
bool run_op(const OpInfo& op, OpArgs& args);

}  // namespace nnf
