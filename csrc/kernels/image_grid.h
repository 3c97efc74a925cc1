// How convolution and pooling see an image: shared by kernels and ops.
#pragma once

#include <cstdint>

namespace nnf {

// A grid of OH x OW pixels looks at an image through KH x KW taps: for tap (i, j) pixel (oh, ow)
// sees row oh * sh + row[i] and column ow * sw + col[j] of the image, and zero outside of it.
struct ImageGrid {
  int64_t H, W, OH, OW, KH, KW, sh, sw;
  const int64_t *row, *col;
  const int64_t *begin, *end;  // grid columns begin[j] .. end[j] - 1 see the inside through tap j
  int64_t channels;
  int64_t plane, image;  // elements from one channel, and one image, to the next
};

// Pixels of the result side by side, at most a vector of them: their place in the result, and
// what the tap of offset 0 sees for them.
struct PixelRun {
  int64_t src, dst;
  int64_t len;
};

// y[i * plane + run] = or += bias[i] + sum over k < K, in order, of w[k * m + i] x[offset[k] + run]
// for each channel i < m and each of the n runs. A null bias is none.
template <class T>
struct DirectArgs {
  int64_t K;
  const T* w;
  const int64_t* offset;
  const T* x;
  const PixelRun* runs;
  int64_t n;
  T* y;
  int64_t plane;
  const T* bias;
  bool accumulate;
};

// For the gradient of the weight, see kernels/direct_weight.h.
template <class T>
struct WeightArgs {
  const T* x;
  const int64_t* offset;
  const PixelRun* runs;
  int64_t n;
  const T* dy;
  int64_t plane, row;  // from a channel of dy to the next, and from a row
  int64_t ahead;       // to what of dy is read next
  T* dw;
  int64_t ld;
};
// By pairs of rows: x has four parts, x_step apart; `odds` runs are of rows without a second one.
template <class T>
struct WeightPairs {
  WeightArgs<T> d;
  int64_t x_step;
  const PixelRun* odd;
  int64_t odds;
};
// `rows` rows, ld apart, of each channel, `plane` apart, as pairs; the parts are `step` apart.
struct PairArgs {
  int64_t channels, rows, ld, plane;
  int64_t to_plane, step;
};

// A pixel of the result: the place of what its first tap sees, and its number.
struct Spot {
  int64_t src, dst;
};
// A tap of some spots: where it looks from the first one, and the place of its weights.
struct TapStep {
  int64_t x, w;
};

// y[dst * ld + j] = or += sum over channels c, and taps in order, of
// x[src + c * x_step + tap.x] w[c * w_step + tap.w + j], j in some vectors, for each of n spots.
// Pairs of vectors of w lie in panels.
template <class T>
struct ChannelArgs {
  int64_t n;
  const Spot* spots;
  int64_t channels, x_step, w_step;
  int64_t taps;
  const TapStep* steps;
  const T *x, *w;
  int64_t panel;  // from one to the next
  T* y;
  int64_t ld;
  bool accumulate;
};

// An image with its border: element q of run s of a row is column first_col + s + q * step of the
// image, zero outside of it; runs have ld elements, and channels are dst_plane apart.
struct PadArgs {
  int64_t H, W, plane;
  int64_t first_col, step, ld, dst_plane;
};

// Where kernels/depthwise.h copies rows of a plane to: `left` elements of border, columns in whole
// vectors, border; a row is `stride` such runs of every stride-th column, ld apart. There is room
// for what some rows of results see. Borders are zero, and stay so.
struct PlaneBuffer {
  int64_t left, ld, rows, items;
};

// A plane x of H x W pixels; what tap 0 sees for pixel (0, 0) of the OH x OW results lies ph rows
// above and pw columns before it. memory: of a PlaneBuffer.
template <class T>
struct PlaneArgs {
  const T* x;
  int64_t H, W, ph, pw, OH, OW;
  T* memory;

  PlaneBuffer buffer(int64_t k, int64_t stride, int64_t lanes) const {
    constexpr int64_t kTall = 4, kBytes = 16384;  // of a buffer, about: L1
    auto whole = [&](int64_t n) { return (n + lanes - 1) / lanes * lanes; };
    PlaneBuffer b;
    b.left = whole(pw);
    const int64_t columns = whole((W + stride - 1) / stride);
    const int64_t seen = whole(OW) + (k - 1 - pw > 0 ? (k - 1 - pw) / stride : 0);
    b.ld = b.left + whole(columns > seen ? columns : seen);
    const int64_t row = stride * b.ld, fitting = kBytes / int64_t(sizeof(T)) / row - k;
    b.rows = fitting / stride / kTall * kTall;
    if (b.rows < kTall) b.rows = kTall;
    if (b.rows > OH) b.rows = (OH + kTall - 1) / kTall * kTall;
    b.items = ((b.rows - 1) * stride + k) * row;
    return b;
  }
  // The grid of pairs of rows and columns where the results are the gradient of the input of a
  // k x k convolution with stride 2: a pair sees k / 2 + 1 pixels.
  PlaneArgs pairs(int64_t k) const {
    return {x,     H, W, k / 2 - (ph + 1) / 2, k / 2 - (pw + 1) / 2, (OH + 1) / 2, (OW + 1) / 2,
            memory};
  }
};

// Pooling windows: window (oh, ow) has its corner at row oh * sh - ph, column ow * sw - pw.
struct PoolGrid {
  int64_t H, W, OH, OW, KH, KW, sh, sw, ph, pw, dh, dw;
};

// Winograd convolution computes tiles of outputs from 6 x 6 inputs: of 4 x 4 for a kernel of 3 x 3,
// in each direction of as many outputs as taps leave of 7.
constexpr int kWinogradInputs = 6;
constexpr int64_t winograd_outputs(int64_t taps) { return kWinogradInputs + 1 - taps; }

// Tiles of an H x W image that it works on at once. A tile takes every dh-th row and every dw-th
// column, and dw tiles lie between each other's columns: row r of tiles begins at row
// row + r * outputs * dh, tile c of it at column col + c / dw * outputs * dw + c % dw, maybe
// outside of the image.
struct WinogradRegion {
  int64_t H, W, row, col, tile_rows, tile_cols;
  int64_t outputs;  // of a tile in each direction
  int64_t dh, dw;

  // Columns from the first to behind the last of the outputs of the tiles, and of their inputs.
  int64_t reach() const { return (tile_cols + dw - 1) / dw * outputs * dw; }
  int64_t columns() const { return reach() + (kWinogradInputs - outputs) * dw; }
};

}  // namespace nnf
