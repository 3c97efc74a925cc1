// The gradient of a weight by Winograd's way: the third direction of conv_winograd.
#pragma once

#include "ops/conv_choice.h"

namespace nnf {

// As winograd_work and unstrided_work, with what was measured for this direction. To bring the sums
// back costs as much for one image as for many, both ways.
double winograd_weight_work(const ConvShape& s);
double unstrided_weight_work(const ConvShape& s);
int64_t winograd_weight_workspace(const ConvShape& s, DType t);
void run_winograd_weight(const ConvShape& s, const OpArgs& args);

}  // namespace nnf
