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

// Pooling windows: window (oh, ow) has its corner at row oh * sh - ph, column ow * sw - pw.
struct PoolGrid {
  int64_t H, W, OH, OW, KH, KW, sh, sw, ph, pw, dh, dw;
};

// Tiles of an image that Winograd convolution works on at once: tile (r, c) begins at row
// row + r m and column col + c m of an H x W image, maybe outside of it.
struct WinogradRegion {
  int64_t H, W, row, col, tile_rows, tile_cols;
};

}  // namespace nnf
