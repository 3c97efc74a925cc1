// What a convolution does with finished results while they are in cache:
// y = activation(y + residual), the fourth input and attributes of the forward op alone.
#pragma once

#include "base/view.h"
#include "kernels/table.h"
#include "ops/attrs.h"

namespace nnf {

template <class T>
const T* bias_of(const OpArgs& args) {
  return args.n_in > 2 && args.in[2] ? args.in[2].ptr<T>() : nullptr;
}

template <class T>
struct ConvEpilogue {
  const T* y;
  Epilogue<T> ep;  // that of all of y, but for the row strides

  explicit ConvEpilogue(const OpArgs& args) : y(args.out[0].ptr<T>()) {
    const auto& at = args.attributes<Conv2dAttrs>();
    if (args.n_in > 3 && args.in[3]) ep.residual = args.in[3].ptr<T>();
    ep.act = at.activation, ep.slope = T(at.slope);
  }
  // c: m runs of n elements of y, ldc apart; a bias for each, which comes first.
  void apply(int64_t m, int64_t n, T* c, int64_t ldc, const T* bias = nullptr) const {
    Epilogue<T> e = ep;
    e.row_bias = bias, e.residual_rs = ldc;
    if (e.residual) e.residual += c - y;
    if (e.any()) kernels<T>().epilogue(m, n, c, ldc, e);
  }
};

}  // namespace nnf
