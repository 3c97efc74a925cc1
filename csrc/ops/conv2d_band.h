// How the direct algorithms cut an image: into blocks of channels and bands of rows, copied with
// their border so that kernels read whole runs of pixels through every tap.
#pragma once

#include "kernels/table.h"
#include "ops/conv2d_product.h"

namespace nnf {

template <class T>
struct Bands {
  const ProductSize& p;
  int64_t block, blocks;  // channels
  int64_t band, bands;    // rows of pixels
  int64_t run;            // pixels of a run, at most
  int64_t rows;           // of the image, that a band sees
  int64_t ld, plane;      // of the copy: elements of a run of columns, and of a channel

  // Blocks of about `products` of K, bands of about `pixels`, in runs of at most `run`. Runs of
  // columns are multiples of `unit`, and bands of `rows_unit` rows.
  Bands(const ProductSize& p, int64_t products, int64_t pixels, int64_t run, int64_t unit = 1,
        int64_t rows_unit = 1)
      : p(p), run(run) {
    blocks = p.K() > products ? ceil_div(p.K(), products) : 1;
    block = ceil_div(p.channels, blocks);
    if (block > 0) blocks = ceil_div(p.channels, block);
    const int64_t wanted = pixels / round_up(p.w.pixels, run);
    bands = ceil_div(p.h.pixels, wanted > 1 ? wanted : 1);
    band = round_up(ceil_div(p.h.pixels, bands), rows_unit), bands = ceil_div(p.h.pixels, band);
    rows = (band - 1) * p.sh + p.h.last - p.h.first + 1;
    ld = round_up(p.w.pixels + (p.w.last - p.w.first) / p.sw, unit);
    plane = rows * p.sw * ld;
    const int64_t lanes = kernels<T>().lanes;
    if (plane * int64_t(sizeof(T)) % 1024 == 0) plane += lanes;  // or channels share cache sets
  }

  int64_t runs() const { return band * ceil_div(p.w.pixels, run); }
  int64_t runs_of(int64_t rows) const { return rows * ceil_div(p.w.pixels, run); }
  int64_t rows_at(int64_t oh) const { return p.h.pixels - oh < band ? p.h.pixels - oh : band; }
  int64_t channels_at(int64_t c) const { return p.channels - c < block ? p.channels - c : block; }
  // Elements of the copy; kernels read and write whole vectors.
  int64_t items() const { return round_up(block * plane + kernels<T>().lanes, 16); }

  // Where tap k of a block looks, from where the first does.
  void set_offsets(const ImageGrid& g, int64_t* offset) const {
    for (int64_t c = 0; c < block; ++c)
      for (int64_t i = 0; i < g.KH; ++i)
        for (int64_t j = 0; j < g.KW; ++j) {
          const int64_t row = g.row[i] - p.h.first, col = g.col[j] - p.w.first;
          *offset++ = c * plane + (row * p.sw + col % p.sw) * ld + col / p.sw;
        }
  }
  // The runs of a band, src and dst of the first pixel being as given.
  void set_runs(int64_t src, int64_t dst, PixelRun* to) const {
    const int64_t OW = p.w.pixels;
    for (int64_t oh = 0; oh < band; ++oh)
      for (int64_t ow = 0; ow < OW; ow += run)
        *to++ = {src + oh * p.sh * p.sw * ld + ow, dst + oh * OW + ow,
                 OW - ow < run ? OW - ow : run};
  }
  // Copies channels [c, c + block) of an image for the band that begins at row oh.
  void copy(const ImageGrid& g, const T* image, int64_t c, int64_t oh, T* to) const {
    const PadArgs pad{g.H, g.W, g.plane, p.w.first, p.sw, ld, plane};
    kernels<T>().pad_image(pad, image + c * g.plane, channels_at(c), oh * p.sh + p.h.first,
                           rows - (band - rows_at(oh)) * p.sh, to);
  }
};

}  // namespace nnf
