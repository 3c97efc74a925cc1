// Convolutions of groups of one channel in and one out, plane by plane (kernels/depthwise.h): one
// row of a matrix product would be slower.
#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/conv2d_product.h"

namespace nnf {

namespace {

bool applies(const ConvLayer& s) { return s.O == 1 && s.C == 1; }

template <class T>
struct Depthwise {
  // Of one worker: the weights of a plane, and the plane with its padding.
  static int64_t worker_items(const ConvShape& s) {
    return round_up(s.taps(), 16) + s.padded_items();
  }
  static int64_t items(const ConvShape& s, const ProductSize&) {
    return num_threads() * worker_items(s);
  }
  static void run(const Product<T>& p, const ProductSize&, const ConvShape& s, T* memory) {
    const ImageGrid& g = p.grid;
    const PaddedPlane padded = padded_plane(g);
    const int64_t items = worker_items(s);
    for_planes(p.N * p.G, p.pixels(), double(p.pixels()) * p.K(), [&](int64_t plane, int worker) {
      T* w = memory + worker * items;
      T* next = w;
      const T* row = p.w + plane % p.G * p.w_group;
      for (int64_t i = 0; i < g.KH; ++i)
        for (int64_t j = 0; j < g.KW; ++j)
          *next++ = row[p.tables->tap_row[i] * p.w_width + p.tables->tap_col[j]];
      const T* x = padded.fill(p.image + plane * g.plane, T(0), w + round_up(s.taps(), 16));
      T* y = p.y + plane * p.plane;
      kernels<T>().depthwise(g, x, padded.ld, w, p.bias ? p.bias[plane % p.G] : T(0), p.row_step,
                             p.col_step, y);
      if (p.in_place()) p.ep.apply(1, p.pixels(), y, p.plane);
    });
  }
};

}  // namespace

const ConvMethod conv_depthwise[3] = {
    {applies, forward_workspace<Depthwise>, run_forward<Depthwise>},
    {applies, input_workspace<Depthwise>, run_input<Depthwise>},
    {},
};

}  // namespace nnf
