// Winograd: fewer multiplications for kernels of 3 x 3.
#include "ops/conv_choice.h"

namespace nnf {

const ConvMethod conv_winograd[3] = {};

}  // namespace nnf
