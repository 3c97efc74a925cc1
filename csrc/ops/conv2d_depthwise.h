// Depthwise convolutions with kernels that kernels/depthwise.h knows.
#pragma once

#include "kernels/image_grid.h"
#include "kernels/table.h"
#include "ops/conv_shape.h"

namespace nnf {

// Whether the kernel of a depthwise layer is k x k taps side by side.
inline bool is_square(const ConvLayer& s) {
  const Conv2dAttrs& at = s.at;
  return s.KH == s.KW && (s.KH == 3 || s.KH == 5 || s.KH == 7) && at.sh == at.sw && at.sh <= 2 &&
         at.dh == 1 && at.dw == 1 && at.ph < s.KH && at.pw < s.KW;
}

// A plane of x as the output sees it, or of dy as the input does. With stride 2 that is a matter of
// pairs of rows and columns.
template <class T>
PlaneArgs<T> forward_plane(const ConvShape& s) {
  return {nullptr, s.H, s.W, s.at.ph, s.at.pw, s.OH, s.OW, nullptr};
}
template <class T>
PlaneArgs<T> gradient_plane(const ConvShape& s) {
  const bool pairs = s.at.sh == 2;
  return {nullptr,
          s.OH,
          s.OW,
          pairs ? s.at.ph : s.KH - 1 - s.at.ph,
          pairs ? s.at.pw : s.KW - 1 - s.at.pw,
          s.H,
          s.W,
          nullptr};
}

// Elements of a worker's buffer, which begins and ends as zeros.
template <class T>
int64_t forward_items(const ConvShape& s) {
  return round_up(forward_plane<T>(s).buffer(s.KH, s.at.sh, kernels<T>().lanes).items, 16);
}
template <class T>
int64_t gradient_items(const ConvShape& s) {
  const PlaneArgs<T> d = gradient_plane<T>(s);
  const int64_t lanes = kernels<T>().lanes;
  const PlaneBuffer b =
      s.at.sh == 2 ? d.pairs(s.KH).buffer(s.KH / 2 + 1, 1, lanes) : d.buffer(s.KH, 1, lanes);
  return round_up(b.items, 16);
}

int64_t depthwise_weight_workspace(const ConvShape& s, DType t);
void run_depthwise_weight(const ConvShape& s, const OpArgs& args);

}  // namespace nnf
