// Winograd convolution: fewer multiplications for square kernels, see kernels/winograd.h.
#pragma once

#include "ops/conv_choice.h"

namespace nnf {

// Whether it is the fastest for a layer that it can compute.
bool winograd_pays(ConvDirection d, const ConvShape& s);

// For layers of stride 1.
extern const ConvMethod winograd_unstrided[3];

// A model of the work in fused multiply-adds on vectors of 16 channels: what the transforms cost
// was measured (AVX-512, AVX2), those of the weights are shared by 8 images.
double winograd_work(ConvDirection d, const ConvShape& s);
// That of the other ways. They come near the peak, but compute whole vectors of pixels, or of
// channels (conv2d_channels.cpp), which leave out taps outside of the image.
double unstrided_work(ConvDirection d, const ConvShape& s);

}  // namespace nnf
