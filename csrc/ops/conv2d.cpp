// The three ops of a convolution; conv_choice.h says which algorithm computes them.
//
// conv2d: y[n, o, oh, ow] = b[o] + sum over c, i, j of
//   w[o, c, i, j] x[n, c, oh * sh - ph + i * dh, ow * sw - pw + j * dw], channels in groups; a
//   fourth input of y's shape (residual) may be added, then comes an activation;
// conv2d_input: its gradient with respect to x (the transposed convolution of dy);
// conv2d_weight: its gradient with respect to w, dw[o, c, i, j] = sum over n, oh, ow of
//   dy[n, o, oh, ow] x[n, c, oh * sh - ph + i * dh, ow * sw - pw + j * dw].
#include "ops/conv_choice.h"
#include "ops/registry.h"

namespace nnf {

namespace {

ConvShape shape_of(ConvDirection d, const OpArgs& args) {
  const auto& at = args.attributes<Conv2dAttrs>();
  if (d == ConvDirection::forward) return conv_shape(args.in[0], args.in[1], args.out[0], at);
  if (d == ConvDirection::input) return conv_shape(args.out[0], args.in[1], args.in[0], at);
  return conv_shape(args.in[1], args.out[0], args.in[0], at);
}

int64_t workspace(ConvDirection d, const OpArgs& args) {
  if (args.out[0].size == 0) return 0;
  const ConvShape s = in_whole_rows(shape_of(d, args));
  return conv_method(choose_conv(d, s), d).workspace(s, args.out[0].dtype);
}

void run(ConvDirection d, const OpArgs& args) {
  if (args.out[0].size == 0) return;
  const ConvShape given = shape_of(d, args), s = in_whole_rows(given);
  const ConvAlgorithm a = choose_conv(d, s);
  show_conv_choice(d, a, given);
  conv_method(a, d).run(s, args);
}

}  // namespace

std::string conv_algorithm(const OpArgs& args) {
  static constexpr decltype(&ops::conv2d) runs[] = {ops::conv2d, ops::conv2d_input,
                                                    ops::conv2d_weight};
  for (int i = 0; i < 3; ++i) {
    if (args.op->run != runs[i] || args.out[0].size == 0) continue;
    const auto d = ConvDirection(i);
    return conv_algorithms()[size_t(choose_conv(d, in_whole_rows(shape_of(d, args))))];
  }
  return "";
}

namespace ops {

int64_t conv2d_workspace(const OpArgs& args) { return workspace(ConvDirection::forward, args); }
void conv2d(const OpArgs& args) { run(ConvDirection::forward, args); }

int64_t conv2d_input_workspace(const OpArgs& args) { return workspace(ConvDirection::input, args); }
void conv2d_input(const OpArgs& args) { run(ConvDirection::input, args); }

int64_t conv2d_weight_workspace(const OpArgs& args) {
  return workspace(ConvDirection::weight, args);
}
void conv2d_weight(const OpArgs& args) { run(ConvDirection::weight, args); }

}  // namespace ops

}  // namespace nnf
