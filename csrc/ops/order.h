// Inputs that lie in memory in another order of dimensions than C's: transposed images, columns as
// rows. Ops to which the order of dimensions means nothing run in that of memory, and their outputs
// lie as their inputs do; nothing is transposed.
#pragma once

#include "ops/registry.h"

namespace nnf {

struct Order {
  int ndim = 0;       // 0: as it is
  int dim[kMaxDims];  // the dimension that takes each place

  explicit operator bool() const { return ndim > 0; }
};

constexpr size_t kTurnedAttrs = 32;  // bytes, at most, of ops that may be turned

// A call in the order of memory. Only if `inputs`, attributes and outputs are to be reordered.
struct Turned {
  Order inputs, outputs;
  alignas(8) unsigned char attrs[kTurnedAttrs];
};

// How to run `op`: `inputs` is empty if C's order is as good. Of the output shape and dtype count.
Turned turned(const OpInfo& op, const View* in, int n_in, const View& out, const void* attrs);

// The same elements with the dimensions in another order; those that v lacks are broadcast.
View turned(const View& v, const Order& order);

}  // namespace nnf
