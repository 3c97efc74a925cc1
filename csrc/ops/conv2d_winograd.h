// Winograd convolution: 3 x 3 kernels with stride 1, see kernels/winograd.h.
#pragma once

#include <cstdint>

namespace nnf {

// y[n, g, o] = bias[g, o] + sum over c of w[g, o, c] * x[n, g, c], for N images and G groups of C
// channels to O channels each. Pixel (0, 0) of y sees pixel (-ph, -pw) of x first. Taps of output
// o and channel c lie at w + g * w_group + o * w_row + c * w_channel; rotate: by half a turn.
template <class T>
struct WinogradConv {
  int64_t N, G, C, O, H, W, OH, OW, ph, pw;
  const T *x, *w;
  int64_t w_group, w_row, w_channel;
  bool rotate;
  const T* bias;  // null: none
  T* y;
};

template <class T>
int64_t winograd_items(const WinogradConv<T>& c);  // elements of workspace

template <class T>
void winograd(const WinogradConv<T>& c, T* workspace);

}  // namespace nnf
