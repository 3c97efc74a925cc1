// The gradient of the weight straight from the image: the third direction of conv_direct.
#pragma once

#include "ops/conv_shape.h"

namespace nnf {

// Vector operations for a pixel of dy, of vectors of 16 elements.
double direct_weight_work(const ConvShape& s);
int64_t direct_weight_workspace(const ConvShape& s, DType t);
void run_direct_weight(const ConvShape& s, const OpArgs& args);

}  // namespace nnf
