// Sizes of a convolution, and the grids (see kernels/image_grid.h) through which it and its
// gradients look at images.
#pragma once

#include "base/view.h"
#include "kernels/image_grid.h"
#include "ops/attrs.h"

namespace nnf {

// What the algorithm may be chosen by: everything but the size of the batch.
struct ConvLayer {
  int64_t G, O, C;  // O and C: output and input channels of one group
  int64_t H, W, KH, KW, OH, OW;
  Conv2dAttrs at;

  int64_t taps() const { return KH * KW; }
};

struct ConvShape : ConvLayer {
  int64_t N;
};

// Whether each pixel of the output sees the same pixel of the input alone.
inline bool is_pointwise(const ConvLayer& s) {
  return s.taps() == 1 && s.at.sh == 1 && s.at.sw == 1 && s.OH == s.H && s.OW == s.W &&
         s.at.ph == 0 && s.at.pw == 0;
}

// Taps of all pixels of one dimension of the output that see the inside of the image.
inline int64_t taps_inside(int64_t pixels, int64_t source, int64_t padding, int64_t count,
                           int64_t dilation, int64_t stride = 1) {
  int64_t taps = 0;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t at = padding - i * dilation;
    const int64_t begin = at > 0 ? ceil_div(at, stride) : 0;
    const int64_t end = source + at > 0 ? ceil_div(source + at, stride) : 0;
    taps += most(least(pixels, end) - begin, 0);
  }
  return taps;
}

inline ConvShape conv_shape(const View& x, const View& w, const View& y, const Conv2dAttrs& at) {
  ConvShape s;
  s.N = x.ndim == 4 ? x.shape[0] : 1;
  s.G = at.groups;
  s.O = y.dim(-3) / s.G, s.C = x.dim(-3) / s.G;
  s.H = x.dim(-2), s.W = x.dim(-1);
  s.KH = at.transformed ? at.transformed : w.dim(2);
  s.KW = at.transformed ? at.transformed : w.dim(3);
  s.OH = y.dim(-2), s.OW = y.dim(-1);
  s.at = at;
  return s;
}

// The same convolution with other rows where pixels do not see their neighbours: rows of whole
// vectors, if the image can be cut into such, else, if it is large, rows that waste less of their
// last vector.
inline ConvShape in_whole_rows(ConvShape s) {
  constexpr int64_t kRow = 16, kLong = 128, kLongest = 512, kLarge = 1024;
  const int64_t pixels = s.H * s.W;
  if (!is_pointwise(s)) return s;
  auto cut = [&](int64_t row) { s.W = s.OW = row, s.H = s.OH = pixels / row; };
  for (int64_t row = kLong; row >= kRow; row -= kRow)
    if (pixels % row == 0) {
      cut(row);
      return s;
    }
  if (pixels < kLarge) return s;
  for (int64_t rows = ceil_div(pixels, kLongest); rows <= pixels / kLong; ++rows)
    if (pixels % rows == 0) {
      const int64_t row = pixels / rows;
      if (row * round_up(s.W, kRow) > s.W * round_up(row, kRow)) cut(row);
      return s;
    }
  return s;
}

// A grid with the tables it points to, in memory given to it, and which taps of the kernel its
// taps are.
struct TapTables {
  int64_t *row, *col, *begin, *end;
  int64_t *tap_row, *tap_col;

  static int64_t items(const ConvLayer& s) { return 2 * s.KH + 4 * s.KW; }
  TapTables(const ConvLayer& s, int64_t* memory)
      : row(memory),
        col(row + s.KH),
        begin(col + s.KW),
        end(begin + s.KW),
        tap_row(end + s.KW),
        tap_col(tap_row + s.KH) {}
};

// Columns of the grid for which ow * sw + col lies in [0, W).
inline void set_ranges(const ImageGrid& g, const TapTables& t) {
  for (int64_t j = 0; j < g.KW; ++j) {
    const int64_t c = t.col[j];
    const int64_t begin = c < 0 ? ceil_div(-c, g.sw) : 0;
    const int64_t end = c < g.W ? (g.W - 1 - c) / g.sw + 1 : 0;
    t.begin[j] = begin, t.end[j] = end < g.OW ? end : g.OW;
  }
}

// The grid of the output, looking at x through all taps.
inline ImageGrid output_grid(const ConvShape& s, const TapTables& t) {
  ImageGrid g{s.H,     s.W,     s.OH,    s.OW,      s.KH,
              s.KW,    s.at.sh, s.at.sw, t.row,     t.col,
              t.begin, t.end,   s.C,     s.H * s.W, s.G * s.C * s.H * s.W};
  for (int64_t i = 0; i < s.KH; ++i) t.tap_row[i] = i, t.row[i] = i * s.at.dh - s.at.ph;
  for (int64_t j = 0; j < s.KW; ++j) t.tap_col[j] = j, t.col[j] = j * s.at.dw - s.at.pw;
  set_ranges(g, t);
  return g;
}

// One dimension of a grid: its pixels, its taps, and which pixels of the image the first and the
// last of the taps see for pixel 0.
struct Reach {
  int64_t pixels, taps, first, last;

  void add(int64_t at) {
    if (taps == 0 || at < first) first = at;
    if (taps == 0 || at > last) last = at;
    ++taps;
  }
};

inline Reach forward_reach(int64_t pixels, int64_t k, int64_t padding, int64_t dilation) {
  return {pixels, k, -padding, (k - 1) * dilation - padding};
}

// Pixels phase, phase + stride, ... of the input are those that the same taps reach. Tap t of
// their grid is tap which[t] of the kernel and sees output pixel offset[t] for the first of them;
// both may be null.
inline Reach phase_reach(int64_t phase, int64_t size, int64_t k, int64_t stride, int64_t padding,
                         int64_t dilation, int64_t* which = nullptr, int64_t* offset = nullptr) {
  Reach r{phase < size ? (size - 1 - phase) / stride + 1 : 0, 0, 0, 0};
  for (int64_t i = 0; i < k; ++i) {
    const int64_t reach = phase + padding - i * dilation;
    if (reach % stride != 0) continue;
    if (which) which[r.taps] = i, offset[r.taps] = reach / stride;
    r.add(reach / stride);
  }
  return r;
}

// The grid of the input pixels of a phase, looking at dy.
inline ImageGrid phase_grid(const ConvShape& s, const TapTables& t, const Reach& h,
                            const Reach& w) {
  ImageGrid g{s.OH,    s.OW,  h.pixels, w.pixels,    h.taps,
              w.taps,  1,     1,        t.row,       t.col,
              t.begin, t.end, s.O,      s.OH * s.OW, s.G * s.O * s.OH * s.OW};
  set_ranges(g, t);
  return g;
}

}  // namespace nnf
