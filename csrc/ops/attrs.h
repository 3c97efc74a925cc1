// Attributes of ops. Every field is 8 bytes wide, in the order in which the record in
// nnfast/ops packs them.
#pragma once

#include <cstdint>

#include "kernels/table.h"

namespace nnf {

struct NoAttrs {};

struct MapAttrs {
  double p[2];
};

// y = activation(alpha * a b + bias); bias is a vector along the columns of y.
struct MatmulAttrs {
  double alpha;
  Activation activation;
  double slope;
};

struct DropoutAttrs {
  double p;  // of being dropped
};

}  // namespace nnf
