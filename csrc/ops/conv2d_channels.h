// Convolution by vectors of output channels: the third direction, a file of its own; and which
// pixels of an image see the same taps, in one dimension: those in its middle, those near its
// borders, and, for the gradient of a convolution with a stride, those between.
#pragma once

#include "ops/conv_shape.h"

namespace nnf {

// Pixels first, first + step, ... `count` of them, see `taps` taps; the first tap of the first one
// sees pixel `seen`.
struct TapClass {
  int64_t first, count, seen, taps;
  int64_t list;  // where its taps stand
};
struct TapAt {
  int64_t tap, offset;  // what it sees, from what the first tap does
};

struct TapAxis {
  bool forward;
  int64_t size, source;  // pixels of the result and of the image
  int64_t k, stride, padding, dilation;
  int64_t classes = 0, entries = 0, most = 0;  // most: taps of a class
  TapClass* of = nullptr;
  TapAt* list = nullptr;

  // From one pixel of a class to the next: in the result, in the image.
  int64_t step() const { return forward ? 1 : stride; }
  int64_t pace() const { return forward ? stride : 1; }

  // The pixel that tap i of pixel u sees; -1: none.
  int64_t seen(int64_t u, int64_t i) const {
    int64_t q = forward ? u * stride - padding + i * dilation : u + padding - i * dilation;
    if (!forward && q % stride != 0) return -1;
    if (!forward) q /= stride;
    return q >= 0 && q < source ? q : -1;
  }

  // Finds the classes; writes them where there is memory for them.
  void find() {
    classes = entries = most = 0;
    for (int64_t r = 0; r < step() && r < size; ++r) {
      int64_t last_taps = -1, last_tap = -1;
      for (int64_t u = r; u < size; u += step()) {
        int64_t taps = 0, tap = 0;
        for (int64_t i = 0; i < k; ++i)
          if (seen(u, i) >= 0 && taps++ == 0) tap = i;
        if (taps == last_taps && tap == last_tap) {
          if (of) ++of[classes - 1].count;
          continue;
        }
        if (of) add(u, tap, taps);
        last_taps = taps, last_tap = tap;
        ++classes, entries += taps;
        if (taps > most) most = taps;
      }
    }
  }

 private:
  void add(int64_t u, int64_t tap, int64_t taps) {
    const int64_t from = taps > 0 ? seen(u, tap) : 0;
    of[classes] = {u, 1, from, taps, entries};
    TapAt* to = list + entries;
    for (int64_t i = tap; taps > 0 && i < k; ++i)
      if (const int64_t q = seen(u, i); q >= 0) *to++ = {i, q - from};
  }
};

inline TapAxis row_axis(const ConvShape& s, bool forward) {
  return {forward, forward ? s.OH : s.H, forward ? s.H : s.OH, s.KH, s.at.sh, s.at.ph, s.at.dh};
}
inline TapAxis col_axis(const ConvShape& s, bool forward) {
  return {forward, forward ? s.OW : s.W, forward ? s.W : s.OW, s.KW, s.at.sw, s.at.pw, s.at.dw};
}

int64_t channels_weight_workspace(const ConvShape& s, DType t);
void run_channels_weight(const ConvShape& s, const OpArgs& args);

}  // namespace nnf
