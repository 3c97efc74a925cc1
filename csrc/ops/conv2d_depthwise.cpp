// Convolutions of groups of one channel in and one out, plane by plane (kernels/depthwise.h): one
// row of a matrix product would be slower. Weights are summed channel by channel, over one image
// after the other.
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
      kernels<T>().depthwise(g, x, padded.ld, w, p.bias ? p.bias[plane % p.G] : T(0), p.row_step,
                             p.col_step, p.y + plane * p.plane);
    });
  }
};

template <class T>
void sum_planes(const ConvShape& s, const ImageGrid& grid, const T* x, const T* dy, T* dw,
                T* memory) {
  const PaddedPlane padded = padded_plane(grid);
  const int64_t P = s.OH * s.OW;
  parallel_for(s.G, double(s.N) * s.G * P * s.taps(), [&](int64_t c, int worker) {
    T* sum = dw + c * s.taps();
    for (int64_t t = 0; t < s.taps(); ++t) sum[t] = 0;
    for (int64_t plane = c; plane < s.N * s.G; plane += s.G)
      kernels<T>().depthwise_weight(
          grid, padded.fill(x + plane * grid.plane, T(0), memory + worker * s.padded_items()),
          padded.ld, dy + plane * P, sum);
  });
}

int64_t weight_workspace(const ConvShape& s, DType t) {
  return table_bytes(s) + num_threads() * s.padded_items() * item_size(t);
}

void run_weight(const ConvShape& s, const OpArgs& args) {
  for_float(args.out[0].dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    const TapTables tables(s, static_cast<int64_t*>(args.workspace));
    sum_planes(s, output_grid(s, tables), args.in[1].ptr<T>(), args.in[0].ptr<T>(),
               args.out[0].ptr<T>(), behind_tables<T>(s, args.workspace));
  });
}

}  // namespace

const ConvMethod conv_depthwise[3] = {
    {applies, forward_workspace<Depthwise>, run_forward<Depthwise>},
    {applies, input_workspace<Depthwise>, run_input<Depthwise>},
    {applies, weight_workspace, run_weight},
};

}  // namespace nnf
