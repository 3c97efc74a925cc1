// Ops that move elements of any dtype.
#pragma once

#include "base/view.h"

namespace nnf {

// for_number of base/view.h for bool too, as uint8_t.
template <class F>
void for_any(DType t, F&& f) {
  if (t == DType::b8)
    f(static_cast<uint8_t*>(nullptr));
  else
    for_number(t, f);
}

}  // namespace nnf
