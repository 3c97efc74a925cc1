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

// chain.cpp. Values are numbered: the inputs, the outputs, then temporaries; -1: none.
constexpr int kChainSteps = 16, kChainTemporaries = 6;
struct ChainStep {
  int64_t op, a, b, c, y;  // op: the number of a map
  double p[2];
};
struct ChainAttrs {
  int64_t steps;
  ChainStep step[kChainSteps];
};

// place.cpp: where the elements go, in elements from the first of y.
struct PlaceAttrs {
  int64_t offset, stride[kMaxDims];
};

// places.cpp: where each of the inputs goes.
constexpr int kPlaces = 8;
struct PlacesAttrs {
  PlaceAttrs at[kPlaces];
};

// y = activation(alpha * a b + bias + residual); bias is a vector along the columns of y.
struct MatmulAttrs {
  double alpha;
  Activation activation;
  double slope;
  int64_t in_panels;  // b is what pack_linear made of it
};

// conv2d.cpp. ph pw: padding at the top and left; that at the bottom and right follows from the
// shapes, and stands here for the gradient rules. What follows is for the forward op:
// y = activation(convolution + bias + residual).
struct Conv2dAttrs {
  int64_t sh, sw, ph, pw, ph_end, pw_end, dh, dw, groups;
  Activation activation;
  double slope;
  int64_t transformed;  // w is what transform_conv2d made of a kernel of that size
};
struct TransformConvAttrs {
  int64_t groups;
};

// pool2d.cpp. The last three are those of avg_pool2d; divisor 0: the size of the window.
struct Pool2dAttrs {
  int64_t KH, KW, sh, sw, ph, pw, dh, dw, ceil_mode, include_pad, divisor;
};

// softmax.cpp
struct SoftmaxAttrs {
  int64_t dim;
};
enum class LossReduction : int64_t { none, mean, sum };
struct CrossEntropyAttrs {
  int64_t ignore_index;
  LossReduction reduction;
};

// norm.cpp. relu: of y.
struct BatchNormAttrs {
  double eps;
  int64_t relu;
};
struct RunningStatsAttrs {
  double momentum, unbias;  // unbias: n / (n - 1)
};

// layer_norm.cpp. dims: how many, the last ones, are normalized together.
struct LayerNormAttrs {
  double eps;
  int64_t dims;
};

// recurrent.cpp. reverse: from the last step to the first; relu: instead of tanh, of rnn.
struct RecurrentAttrs {
  int64_t reverse, relu;
};

// group_norm.cpp
struct GroupNormAttrs {
  double eps;
  int64_t groups;
};

// random.cpp
struct DropoutAttrs {
  double p;  // of being dropped
};

// copy.cpp
struct CatAttrs {
  int64_t dim;
};

// rearrange.cpp. stretch: what each dimension of y is made of; value: the bytes of one element.
constexpr int kStretches = 3;
struct RearrangeAttrs {
  int64_t value;
  Stretch stretch[kMaxDims][kStretches];
};
// upper: of the triangle above the diagonal, not below.
struct TriangleAttrs {
  int64_t diagonal, upper;
};

// along.cpp. joined: so many dimensions of y in front are seen as one; 0: as it is.
struct GatherAttrs {
  int64_t dim;
};
// What happens to an element that is there, in order.
enum class Meeting : int64_t { set, add, largest, smallest, product };
struct ScatterAttrs {
  int64_t dim;
  Meeting how;
  int64_t joined;
};

// elementwise.cpp
enum class Logic : int64_t { conjunction, disjunction, difference };
struct LogicAttrs {
  Logic function;
};

// gather.cpp. ignored: an index that takes part in no gradient, or in nothing.
struct TakeAttrs {
  int64_t dim, ignored;
};
struct SelectAttrs {
  int64_t ignored;
};

// scan.cpp. smallest: of minima, not of maxima.
struct ScanAttrs {
  int64_t dim, reverse;
};
struct CumprodAttrs {
  int64_t dim;
};
struct RunningAttrs {
  int64_t dim, smallest;
};

// sort.cpp
struct SortAttrs {
  int64_t descending;
};

// reduce.cpp
struct ReduceAttrs {
  int64_t dims;  // bit d: dimension d is reduced
};
struct ArgAttrs {
  int64_t dim;
};

}  // namespace nnf
