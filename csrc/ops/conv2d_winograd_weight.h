// The gradient of a weight by Winograd's way: the third direction of conv_winograd.
#pragma once

#include "ops/conv_choice.h"

namespace nnf {

bool winograd_weight_pays(const ConvShape& s);
int64_t winograd_weight_workspace(const ConvShape& s, DType t);
void run_winograd_weight(const ConvShape& s, const OpArgs& args);

}  // namespace nnf
