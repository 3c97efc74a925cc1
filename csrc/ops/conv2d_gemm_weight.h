// The gradient of the weight as a matrix product: the third direction of conv_gemm.
#pragma once

#include "ops/conv_shape.h"

namespace nnf {

int64_t gemm_weight_workspace(const ConvShape& s, DType t);
void run_gemm_weight(const ConvShape& s, const OpArgs& args);

}  // namespace nnf
