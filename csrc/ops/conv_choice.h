// Which algorithm computes a convolution or one of its gradients.
//
// An algorithm is a file of csrc/ops with a ConvMethod for each direction, listed here once. It
// is chosen by the layer alone, never by the size of the batch, so that one image has the same
// bits alone and in a batch; but for the gradient of the weight, which is a sum over the batch.
#pragma once

#include <string>
#include <vector>

#include "base/view.h"
#include "ops/conv_shape.h"

namespace nnf {

enum class ConvDirection : int { forward, input, weight };

struct ConvMethod {
  bool (*applies)(const ConvLayer&);  // whether it can compute the layer; null: it never can
  int64_t (*workspace)(const ConvShape&, DType);  // bytes
  void (*run)(const ConvShape&, const OpArgs&);   // arguments are those of the op
};

// One line an algorithm: NNF_CONV(name), for each direction a method conv_<name>[direction].
#define NNF_CONV_ALGORITHMS \
  NNF_CONV(gemm)            \
  NNF_CONV(direct)          \
  NNF_CONV(channels)        \
  NNF_CONV(depthwise)       \
  NNF_CONV(winograd)

enum class ConvAlgorithm : int {
#define NNF_CONV(name) name,
  NNF_CONV_ALGORITHMS
#undef NNF_CONV
};

#define NNF_CONV(name) extern const ConvMethod conv_##name[3];
NNF_CONV_ALGORITHMS
#undef NNF_CONV

const ConvMethod& conv_method(ConvAlgorithm a, ConvDirection d);

// The fastest for the layer, as measured; or the forced one, where it applies.
ConvAlgorithm choose_conv(ConvDirection d, const ConvShape& s);

std::vector<std::string> conv_algorithms();
// That of a call of an op; "" for all but convolutions.
std::string conv_algorithm(const OpArgs& args);
// Forces an algorithm for the whole process; "": none. False if there is none of that name.
bool force_conv(const std::string& name);
// Whether each call tells on stderr what was chosen.
void show_conv_choices(bool show);
void show_conv_choice(ConvDirection d, ConvAlgorithm a, const ConvShape& s);

}  // namespace nnf
