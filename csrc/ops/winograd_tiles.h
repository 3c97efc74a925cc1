// What Winograd convolution works on: groups, and the tiles of all images, cut into blocks (regions
// of one image, or several whole images).
#pragma once

#include "base/parallel.h"
#include "base/view.h"
#include "ops/conv_shape.h"

namespace nnf {

// Many groups are shared among threads; of few, each is worked on by all threads.
inline bool groups_apart(int64_t groups) { return groups >= 8; }

// f(group, worker) for each; worker: 0 where all threads work on a group.
template <class F>
void for_groups(int64_t groups, double work, F&& f) {
  if (groups_apart(groups)) return parallel_for(groups, groups * work, f);
  for (int64_t g = 0; g < groups; ++g) f(g, 0);
}

// Square kernels of 2 to 5 taps a side that look at each pixel, or at pixels of the same phase of a
// dilation.
inline bool winograd_applies(const ConvLayer& s) {
  return s.KH == s.KW && s.KH >= 2 && s.KH <= 5 && s.at.sh == 1 && s.at.sw == 1 &&
         s.at.dh <= least(s.H, s.OH) && s.at.dw <= least(s.W, s.OW);
}

// Tiles along one dimension: of whole groups of tiles that lie between each other, and those of
// the last group that hold a pixel.
inline int64_t tiles_along(int64_t pixels, int64_t outputs, int64_t dilation) {
  const int64_t group = outputs * dilation;
  return pixels / group * dilation + least(pixels % group, dilation);
}

// Those of an image of H x W pixels.
inline double winograd_tiles(const ConvLayer& s, int64_t H, int64_t W) {
  const int64_t outputs = winograd_outputs(s.KH);
  return double(tiles_along(H, outputs, s.at.dh)) * tiles_along(W, outputs, s.at.dw);
}

// A block holds rows of tiles of one image; where rows are dilated, each phase of them is taken for
// an image of its own.
struct WinogradTiles {
  int64_t lanes;                     // channels of a block of channels
  int64_t taps, outputs, dh, dw;     // of the kernel, and of a tile, in one direction
  int64_t H;                         // rows of pixels that tiles are made of
  int64_t N;                         // images
  int64_t image_rows, image_cols;    // tiles of an image, at most
  int64_t rows, cols, images;        // of a block
  int64_t row_regions, col_regions;  // of an image
  int64_t blocks;

  int64_t tiles() const { return rows * cols * images; }  // of a block, at most
  int64_t all_tiles() const { return N * image_rows * image_cols; }
  // From one frequency to the next, for n vectors: an odd number, so that all frequencies of a
  // tile do not fall into the same few sets of the cache.
  int64_t step(int64_t n) const { return (n | 1) * lanes; }

  // Those of the OH x OW pixels of each of n images.
  void set_images(int64_t n, int64_t OH, int64_t OW, const ConvLayer& s) {
    taps = s.KH, outputs = winograd_outputs(taps), dh = s.at.dh, dw = s.at.dw;
    H = OH, N = n * dh;
    image_rows = ceil_div(OH, outputs * dh), image_cols = tiles_along(OW, outputs, dw);
  }

  // Blocks of about `target` tiles.
  void cut(int64_t target) {
    images = target / (image_rows * image_cols);
    if (images >= 1) {
      images = least(images, N);
      rows = image_rows, cols = image_cols;
    } else {
      images = 1;
      cols = round_up(ceil_div(image_cols, ceil_div(image_cols, target)), dw);
      rows = ceil_div(image_rows, ceil_div(image_rows, cols < target ? target / cols : 1));
    }
    row_regions = ceil_div(image_rows, rows), col_regions = ceil_div(image_cols, cols);
    blocks = ceil_div(N, images) * row_regions * col_regions;
  }

  // `images` images from `first`, all of the same region.
  struct Block {
    int64_t first, images, tile_row, tile_col, rows, cols;
    int64_t tiles;
  };
  Block block(int64_t b) const {
    Block k;
    k.tile_col = b % col_regions * cols;
    k.tile_row = b / col_regions % row_regions * rows;
    k.first = b / col_regions / row_regions * images;
    k.images = least(images, N - k.first);
    k.rows = least(rows, image_rows - k.tile_row);
    k.cols = least(cols, image_cols - k.tile_col);
    k.tiles = tiles_before(k, k.images);
    return k;
  }

  // Image i of a block: which of all images; its rows of tiles, of which the last phases may have
  // fewer; and the tiles of the block that come before its own.
  int64_t image(const Block& k, int64_t i) const { return (k.first + i) / dh; }
  int64_t phase(const Block& k, int64_t i) const { return (k.first + i) % dh; }
  int64_t rows_of(const Block& k, int64_t i) const {
    const int64_t pixels = most(H - phase(k, i), 0);
    return most(least(k.rows, ceil_div(pixels, outputs * dh) - k.tile_row), 0);
  }
  int64_t tiles_before(const Block& k, int64_t i) const {
    int64_t tile_rows = 0;
    for (int64_t j = 0; j < i; ++j) tile_rows += rows_of(k, j);
    return tile_rows * k.cols;
  }
  // Its tiles where pixel (0, 0) sees pixel (-ph, -pw) of planes of H x W first.
  WinogradRegion region(const Block& k, int64_t i, int64_t H, int64_t W, int64_t ph,
                        int64_t pw) const {
    const int64_t row = k.tile_row * outputs * dh + phase(k, i);
    return {H, W, row - ph, k.tile_col * outputs - pw, rows_of(k, i), k.cols, outputs, dh, dw};
  }
  // Vectors that kernels need besides, for a block.
  int64_t scratch_vectors() const {
    const WinogradRegion g{0, 0, 0, 0, rows, cols, outputs, dh, dw};
    return kWinogradInputs * g.columns() + lanes;
  }
};

}  // namespace nnf
