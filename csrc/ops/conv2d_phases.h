// A strided convolution as one of stride 1: what tap (i, j) of its kernel sees are pixels of one
// phase, those of every s-th row and column, and of a phase the taps (i + s, j), (i, j + s) see the
// neighbours. So each of the s * s phases of a channel is a channel of its own, and a kernel of
// K x K is one of ceil(K / s) x ceil(K / s) for each of them, where taps that K does not have are
// zero.
#pragma once

#include <algorithm>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/conv_shape.h"

namespace nnf {

// Whether it has the same stride, of more than 1, in both directions, so that this can be done.
inline bool has_phases(const ConvLayer& s) {
  return s.at.sh > 1 && s.at.sh == s.at.sw && s.at.dh == 1 && s.at.dw == 1 && s.KH == s.KW &&
         s.KH > s.at.sh;
}

// The layer of stride 1, on images of just the pixels that windows see.
template <class Shape>
Shape phases_of(Shape s) {
  const int64_t stride = s.at.sh;
  s.C *= stride * stride;
  s.KH = s.KW = ceil_div(s.KH, stride);
  s.H = s.OH + s.KH - 1, s.W = s.OW + s.KW - 1;
  s.at.sh = s.at.sw = 1, s.at.ph = s.at.pw = 0;
  return s;
}

// Copies between images and weights of a layer and of its phases. Pixel (r, q) of phase (a, b) is
// pixel (s r + a - ph, s q + b - pw) of a channel.
template <class T>
struct Phases {
  const ConvShape& s;
  const ConvShape of = phases_of(s);
  const int64_t stride = s.at.sh;
  const int64_t plane = of.H * of.W;
  // Columns of phases that lie inside of the image in all of them.
  const int64_t first = least(ceil_div(s.at.pw, stride), of.W);
  const int64_t end = most(first, least((s.W + s.at.pw) / stride, of.W));

  explicit Phases(const ConvShape& s) : s(s) {}

  // In whole lines, for what comes behind them.
  int64_t image_items() const { return round_up(s.N * s.G * of.C * plane, 16); }
  int64_t weight_items() const { return round_up(s.G * s.O * of.C * of.taps(), 16); }

  void split_row(const T* x, T* to) const {
    for (int64_t b = 0; b < stride; ++b) {
      const auto at = [&](int64_t q) {
        const int64_t w = q * stride + b - s.at.pw;
        return w >= 0 && w < s.W ? x[w] : T(0);
      };
      for (int64_t q = 0; q < first; ++q) to[b * plane + q] = at(q);
      for (int64_t q = end; q < of.W; ++q) to[b * plane + q] = at(q);
    }
    kernels<T>().copy_transposed(end - first, stride, x + first * stride - s.at.pw, stride,
                                 to + first, plane, false);
  }
  void join_row(const T* from, T* x) const {
    const int64_t lo = most(first * stride - s.at.pw, 0), hi = end * stride - s.at.pw;
    const auto at = [&](int64_t w) {
      const int64_t q = (w + s.at.pw) / stride;
      return q < of.W ? from[(w + s.at.pw) % stride * plane + q] : T(0);
    };
    for (int64_t w = 0; w < least(lo, s.W); ++w) x[w] = at(w);
    kernels<T>().copy_transposed(stride, end - first, from + first, plane, x + lo, stride, false);
    for (int64_t w = most(hi, lo); w < s.W; ++w) x[w] = at(w);
  }

  void split(const T* x, T* to) const {
    const int64_t planes = s.N * s.G * s.C;
    parallel_for(planes, double(planes) * stride * stride * plane, [&](int64_t p, int) {
      for (int64_t r = 0; r < of.H * stride; ++r) {
        const int64_t h = r - s.at.ph;
        T* row = to + (p * stride * stride + r % stride * stride) * plane + r / stride * of.W;
        if (h >= 0 && h < s.H)
          split_row(x + (p * s.H + h) * s.W, row);
        else
          for (int64_t b = 0; b < stride; ++b) std::fill_n(row + b * plane, of.W, T(0));
      }
    });
  }
  void join(const T* from, T* x) const {
    const int64_t planes = s.N * s.G * s.C;
    parallel_for(planes, double(planes) * s.H * s.W, [&](int64_t p, int) {
      for (int64_t h = 0; h < s.H; ++h) {
        const int64_t r = h + s.at.ph;
        T* row = x + (p * s.H + h) * s.W;
        if (r < of.H * stride)
          join_row(from + (p * stride * stride + r % stride * stride) * plane + r / stride * of.W,
                   row);
        else
          std::fill_n(row, s.W, T(0));
      }
    });
  }

  // f(tap of the phases' weights, tap of the weights; null: the kernel has none).
  template <class U, class V, class F>
  void for_taps(U* phases, V* w, F&& f) const {
    const int64_t pairs = s.G * s.O * s.C;
    parallel_for(pairs, double(pairs) * stride * stride * of.taps(), [&](int64_t n, int) {
      U* to = phases + n * stride * stride * of.taps();
      for (int64_t a = 0; a < stride; ++a)
        for (int64_t b = 0; b < stride; ++b)
          for (int64_t i = a; i < of.KH * stride; i += stride)
            for (int64_t j = b; j < of.KW * stride; j += stride, ++to)
              f(to, i < s.KH && j < s.KW ? w + (n * s.KH + i) * s.KW + j : nullptr);
    });
  }
  void split_weight(const T* w, T* to) const {
    for_taps(to, w, [](T* t, const T* tap) { *t = tap ? *tap : T(0); });
  }
  void join_weight(const T* from, T* dw) const {
    for_taps(from, dw, [](const T* t, T* tap) {
      if (tap) *tap = *t;
    });
  }
};

}  // namespace nnf
