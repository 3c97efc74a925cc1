// Winograd convolution: fewer multiplications for square kernels, see kernels/winograd.h.
#pragma once

#include "ops/conv_choice.h"

namespace nnf {

// Whether it is the fastest for a layer that it can compute.
bool winograd_pays(ConvDirection d, const ConvShape& s);

}  // namespace nnf
