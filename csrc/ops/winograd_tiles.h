// What Winograd convolution works on: groups, and the tiles of all images, cut into blocks (regions
// of one image, or several whole images).
#pragma once

#include "base/parallel.h"
#include "base/view.h"
#include "kernels/image_grid.h"

namespace nnf {

// Many groups are shared among threads; of few, each is worked on by all threads.
inline bool groups_apart(int64_t groups) { return groups >= 8; }

// f(group, worker) for each; worker: 0 where all threads work on a group.
template <class F>
void for_groups(int64_t groups, double work, F&& f) {
  if (groups_apart(groups)) return parallel_for(groups, groups * work, f);
  for (int64_t g = 0; g < groups; ++g) f(g, 0);
}

// Taps of all pixels of one dimension that see the inside of the image.
inline int64_t taps_inside(int64_t pixels, int64_t source, int64_t padding) {
  int64_t taps = 0;
  for (int64_t i = 0; i < 3; ++i)
    taps += most(least(pixels, source + padding - i) - most(padding - i, 0), 0);
  return taps;
}

struct WinogradTiles {
  int64_t lanes;                     // channels of a block of channels
  int64_t N;                         // images
  int64_t image_rows, image_cols;    // tiles of an image
  int64_t rows, cols, images;        // of a block
  int64_t row_regions, col_regions;  // of an image
  int64_t blocks;

  int64_t tiles() const { return rows * cols * images; }  // of a block, at most
  int64_t all_tiles() const { return N * image_rows * image_cols; }
  // From one frequency to the next, for n vectors: an odd number, so that all frequencies of a
  // tile do not fall into the same few sets of the cache.
  int64_t step(int64_t n) const { return (n | 1) * lanes; }

  void set_images(int64_t count, int64_t H, int64_t W) {
    N = count;
    image_rows = ceil_div(H, kWinogradOutputs), image_cols = ceil_div(W, kWinogradOutputs);
  }

  // Blocks of about `target` tiles.
  void cut(int64_t target) {
    images = target / (image_rows * image_cols);
    if (images >= 1) {
      images = least(images, N);
      rows = image_rows, cols = image_cols;
    } else {
      images = 1;
      cols = ceil_div(image_cols, ceil_div(image_cols, target));
      rows = ceil_div(image_rows, ceil_div(image_rows, cols < target ? target / cols : 1));
    }
    row_regions = ceil_div(image_rows, rows), col_regions = ceil_div(image_cols, cols);
    blocks = ceil_div(N, images) * row_regions * col_regions;
  }

  // `images` images from `first`, all of the same region.
  struct Block {
    int64_t first, images, tile_row, tile_col, rows, cols;
    int64_t tiles() const { return images * rows * cols; }
  };
  Block block(int64_t b) const {
    Block k;
    k.tile_col = b % col_regions * cols;
    k.tile_row = b / col_regions % row_regions * rows;
    k.first = b / col_regions / row_regions * images;
    k.images = least(images, N - k.first);
    k.rows = least(rows, image_rows - k.tile_row);
    k.cols = least(cols, image_cols - k.tile_col);
    return k;
  }
};

}  // namespace nnf
