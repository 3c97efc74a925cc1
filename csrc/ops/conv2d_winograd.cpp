// Tiles are worked on in blocks that fit the cache: their transforms, the products with all
// weights, and the way back. Where channels are few, a task does all of that for a block; where
// they are many, tasks share a block's transforms and each makes some of its outputs, from weights
// that it transforms part by part where all of them would not stay in the cache, or would be used
// for one tile alone. Every output element is one sum over the channels in order, so none of this
// changes its bits, and the size of the batch may decide it.
#include "ops/conv2d_winograd.h"

#include <type_traits>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/conv2d_winograd_weight.h"
#include "ops/conv_epilogue.h"
#include "ops/registry.h"
#include "ops/winograd_tiles.h"

namespace nnf {

namespace {

constexpr int64_t kFrequencies = kWinogradInputs * kWinogradInputs;
constexpr int64_t kBlockBytes = 640 << 10;  // of a block's transforms and products: in L2
constexpr int64_t kMaxTiles = 64;           // of a block
constexpr int64_t kMinTiles = 20;           // fewer use each weight too little: tasks share blocks
constexpr int64_t kMinBlocks = 4;           // fewer leave threads without work
constexpr int64_t kSmallBlock = 4;          // tiles of a smaller block, if that makes enough
constexpr int64_t kWeightBytes = 4 << 20;   // of weights transformed once and kept: in L3
constexpr int64_t kPartBytes = 384 << 10;   // of those that a task transforms for itself: in L2
constexpr int64_t kTaskBlocks = 2;          // output blocks that a task makes of a shared block

// y[n, g, o] = bias[g, o] + sum over c of w[g, o, c] * x[n, g, c], whether forward or gradient:
// pixel (0, 0) of y sees pixel (-ph, -pw) of x first; the taps of w[g, o, c], as many as the layer
// has, lie at g * taps C O + o * w_row + c * w_channel and are turned by half a turn if `rotate`.
struct WinogradShape {
  const ConvLayer& layer;
  int64_t N, G, C, O, H, W, OH, OW, ph, pw;
  int64_t w_row, w_channel;
  bool rotate;
  bool transformed;  // the weights are what transform_conv2d made of them
};

// How a convolution is cut: by its shape and the ISA alone.
struct WinogradPlan : WinogradTiles {
  int64_t c_blocks, o_blocks;
  int64_t task_blocks;  // output blocks that a task makes
  int64_t channels;     // whose weights it uses at a time
  bool share;           // tasks share a block
  bool own_weights;     // each task transforms its weights,
  bool at_once;         // and multiplies them with a single tile, of 3 x 3 taps, meanwhile
  bool transformed;     // nobody has to

  int64_t image_items() const { return kFrequencies * step(c_blocks * tiles()); }
  int64_t product_items() const { return kFrequencies * step(task_blocks * tiles()); }
  int64_t scratch_items() const { return scratch_vectors() * lanes; }
  int64_t weight_items(int64_t n) const { return n * kFrequencies * step(channels); }
  int64_t worker_items() const {
    return (share ? 0 : image_items()) + product_items() + scratch_items() +
           (own_weights && !at_once ? weight_items(task_blocks) : 0);
  }
  // Of a group: all weights, the images that tasks share, and what each worker has, in this order.
  int64_t all_weights_items() const {
    return own_weights || transformed ? 0 : weight_items(o_blocks);
  }
  int64_t shared_items() const { return share ? image_items() : 0; }
  int64_t group_items() const { return all_weights_items() + shared_items() + worker_items(); }
  int64_t items(int64_t groups) const {
    const int64_t more = num_threads() - 1;
    return group_items() + more * (groups_apart(groups) ? group_items() : worker_items());
  }
};

template <class T>
WinogradPlan make_plan(const WinogradShape& c) {
  WinogradPlan p;
  p.lanes = kernels<T>().lanes;
  p.c_blocks = ceil_div(c.C, p.lanes), p.o_blocks = ceil_div(c.O, p.lanes);
  p.set_images(c.N, c.OH, c.OW, c.layer);
  const int64_t per_tile = kFrequencies * (c.C + c.O) * int64_t(sizeof(T));
  const int64_t fitting = kBlockBytes / (per_tile + 1);
  p.share = fitting < kMinTiles;
  p.cut(p.share ? kMaxTiles : least(fitting, kMaxTiles));
  if (!p.share && p.blocks < kMinBlocks) {
    const int64_t target = ceil_div(p.all_tiles(), kMinBlocks);
    p.share = target < kSmallBlock;
    if (!p.share) p.cut(target);
  }
  p.task_blocks = p.share ? (p.o_blocks < kMinBlocks ? 1 : kTaskBlocks) : p.o_blocks;
  const int64_t channel_bytes = kFrequencies * p.lanes * int64_t(sizeof(T));
  p.transformed = c.transformed;
  p.at_once = p.share && !p.transformed && p.taps == 3 && p.all_tiles() == 1;
  p.own_weights =
      p.at_once || (p.share && !p.transformed && p.o_blocks * c.C * channel_bytes > kWeightBytes);
  p.channels = p.own_weights ? round_up(kPartBytes / (kTaskBlocks * channel_bytes), p.lanes) : c.C;
  if (p.channels == 0) p.channels = p.lanes;  // no input channels: one step, of nothing
  return p;
}

template <class T>
struct Winograd {
  const WinogradShape c;
  const WinogradPlan p;
  const T *x, *w, *bias;
  const ConvEpilogue<T> ep;
  T *y, *memory, *image, *workers;
  const T* weights;  // transformed
  const int64_t group;

  Winograd(const WinogradShape& shape, const OpArgs& args, int64_t group, int worker)
      : c(shape),
        p(make_plan<T>(shape)),
        x(args.in[0].ptr<T>()),
        w(args.in[1].ptr<T>()),
        bias(bias_of<T>(args)),
        ep(args),
        y(args.out[0].ptr<T>()),
        memory(static_cast<T*>(args.workspace) + worker * p.group_items()),
        image(memory + p.all_weights_items()),
        workers(image + p.shared_items()),
        weights(p.transformed ? w + group * p.weight_items(p.o_blocks) : memory),
        group(group) {}
  T* worker(int i) const { return workers + i * p.worker_items(); }

  using Block = WinogradTiles::Block;

  // Outputs of block o, and their weights.
  int outputs(int64_t o) const { return int(least(p.lanes, c.O - o * p.lanes)); }
  const T* block_weights(int64_t o) const {
    return w + group * c.O * c.C * c.layer.taps() + o * p.lanes * c.w_row;
  }

  // Weights of output block o and channels [c0, c0 + n) to u.
  void transform_weights(int64_t o, int64_t c0, int64_t n, T* u) const {
    kernels<T>().winograd_weight(int(p.taps), outputs(o), n, block_weights(o) + c0 * c.w_channel,
                                 c.w_row, c.w_channel, c.rotate, u, p.step(p.channels));
  }

  void transform_image(const Block& k, int64_t i, int64_t c_block, T* scratch, T* v) const {
    const int64_t channel = c_block * p.lanes;
    kernels<T>().winograd_input(p.region(k, i, c.H, c.W, c.ph, c.pw),
                                x + ((p.image(k, i) * c.G + group) * c.C + channel) * c.H * c.W,
                                int(least(p.lanes, c.C - channel)), scratch,
                                v + (c_block * k.tiles + p.tiles_before(k, i)) * p.lanes,
                                p.step(p.c_blocks * k.tiles));
  }

  // The products of output blocks [o, o + n) of a block.
  void multiply_weights(const Block& k, int64_t o, int64_t n, const T* v, T* products,
                        T* scratch) const {
    const int64_t step = p.step(n * k.tiles);
    if (p.at_once) {
      for (int64_t b = 0; b < n; ++b)
        kernels<T>().winograd_tile(outputs(o + b), c.C, block_weights(o + b), c.w_row, c.w_channel,
                                   c.rotate, v, p.step(p.c_blocks), products + b * p.lanes, step);
      return;
    }
    for (int64_t c0 = 0; c0 == 0 || c0 < c.C; c0 += p.channels) {
      const int64_t channels = least(p.channels, c.C - c0);
      const T* u = p.own_weights ? scratch + p.scratch_items() : weights + p.weight_items(o);
      if (p.own_weights)
        for (int64_t b = 0; b < n; ++b)
          transform_weights(o + b, c0, channels, scratch + p.scratch_items() + p.weight_items(b));
      kernels<T>().winograd_multiply(k.tiles, channels, n, v + c0 * k.tiles,
                                     p.step(p.c_blocks * k.tiles), u, p.step(p.channels),
                                     p.weight_items(1), products, step, c0 > 0);
    }
  }

  // Output blocks [o, o + n) of a block.
  void multiply(const Block& k, int64_t o, int64_t n, const T* v, T* products, T* scratch) const {
    const int64_t step = p.step(n * k.tiles);
    multiply_weights(k, o, n, v, products, scratch);
    for (int64_t i = 0; i < k.images; ++i) {
      const WinogradRegion g = p.region(k, i, c.OH, c.OW, 0, 0);
      const int64_t first = (p.image(k, i) * c.G + group) * c.O, before = p.tiles_before(k, i);
      for (int64_t b = 0; b < n; ++b) {
        T* plane = y + (first + (o + b) * p.lanes) * c.OH * c.OW;
        kernels<T>().winograd_output(g, products + (b * k.tiles + before) * p.lanes, step,
                                     bias ? bias + group * c.O + (o + b) * p.lanes : nullptr,
                                     outputs(o + b), scratch, plane);
        finish_region(g, outputs(o + b), plane);
      }
    }
  }

  void finish_region(const WinogradRegion& g, int64_t channels, T* y) const {
    const int64_t cols = least(g.reach(), g.W - g.col);
    const int64_t end = least(g.row + g.tile_rows * g.outputs * g.dh, g.H);
    const int64_t together = g.dh == 1 && cols == g.W ? end - g.row : 1;  // whole rows are one run
    for (int64_t r = g.row; r < end; r += together * g.dh)
      ep.apply(channels, together * cols, y + r * g.W + g.col, g.H * g.W);
  }

  // Work of the products and of transforms, see parallel_for.
  double product_work(int64_t tiles) const {
    return kMultiplyAdd * kFrequencies * tiles * c.C * c.O;
  }
  static double transform_work(int64_t tiles, int64_t channels) {
    return 0.5 * kFrequencies * tiles * channels;
  }

  void run_blocks() const {
    const int64_t tiles = p.blocks * p.tiles();
    parallel_for(p.blocks, product_work(tiles) + transform_work(tiles, c.C + c.O),
                 [&](int64_t b, int i) {
                   const Block k = p.block(b);
                   T* v = worker(i);
                   T* products = v + p.image_items();
                   T* scratch = products + p.product_items();
                   for (int64_t n = 0; n < k.images; ++n)
                     for (int64_t j = 0; j < p.c_blocks; ++j) transform_image(k, n, j, scratch, v);
                   multiply(k, 0, p.o_blocks, v, products, scratch);
                 });
  }

  void run_shared() const {
    for (int64_t b = 0; b < p.blocks; ++b) {
      const Block k = p.block(b);
      parallel_for(k.images * p.c_blocks, transform_work(k.tiles, c.C), [&](int64_t t, int i) {
        transform_image(k, t / p.c_blocks, t % p.c_blocks, worker(i) + p.product_items(), image);
      });
      parallel_for(ceil_div(p.o_blocks, p.task_blocks),
                   product_work(k.tiles) + transform_work(k.tiles, c.O), [&](int64_t t, int i) {
                     const int64_t o = t * p.task_blocks;
                     multiply(k, o, least(p.task_blocks, p.o_blocks - o), image, worker(i),
                              worker(i) + p.product_items());
                   });
    }
  }

  void run() const {
    if (!p.own_weights && !p.transformed)
      parallel_for(p.o_blocks, transform_work(c.C, c.O), [&](int64_t o, int) {
        transform_weights(o, 0, c.C, memory + p.weight_items(o));
      });
    if (p.share)
      run_shared();
    else
      run_blocks();
  }
  double work() const {
    const int64_t tiles = p.blocks * p.tiles();
    return product_work(tiles) + transform_work(tiles, c.C + c.O) +
           (p.transformed ? 0 : transform_work(c.C, c.O));
  }
};

WinogradShape forward_shape(const ConvShape& s) {
  const int64_t taps = s.taps();
  return {s,       s.N,        s.G,  s.C,   s.O,
          s.H,     s.W,        s.OH, s.OW,  s.at.ph,
          s.at.pw, s.C * taps, taps, false, s.at.transformed != 0};
}

// The gradient is a convolution of dy.
WinogradShape input_shape(const ConvShape& s) {
  const int64_t taps = s.taps(), ph = (s.KH - 1) * s.at.dh - s.at.ph;
  const int64_t pw = (s.KW - 1) * s.at.dw - s.at.pw;
  return {s, s.N, s.G, s.O, s.C, s.OH, s.OW, s.H, s.W, ph, pw, taps, s.C * taps, true, false};
}

template <WinogradShape (*shape)(const ConvShape&)>
int64_t workspace(const ConvShape& s, DType t) {
  int64_t bytes = 0;
  for_float(t, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    bytes = make_plan<T>(shape(s)).items(s.G) * item_size(t);
  });
  return bytes;
}

template <WinogradShape (*shape)(const ConvShape&)>
void run(const ConvShape& s, const OpArgs& args) {
  for_float(args.out[0].dtype, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    const WinogradShape c = shape(s);
    for_groups(s.G, Winograd<T>(c, args, 0, 0).work(),
               [&](int64_t group, int worker) { Winograd<T>(c, args, group, worker).run(); });
  });
}

}  // namespace

double winograd_work(ConvDirection d, const ConvShape& s) {
  if (d == ConvDirection::weight) return winograd_weight_work(s);
  const WinogradShape c = d == ConvDirection::forward ? forward_shape(s) : input_shape(s);
  const double C16 = round_up(c.C, 16), O16 = round_up(c.O, 16);
  const double products = 36 * c.C * O16, weights = 4.0 * (s.taps() + 1) * c.C * O16;
  const double transforms = double(170 + 45 * winograd_outputs(s.KH)) * (C16 + O16);
  return winograd_tiles(s, c.OH, c.OW) * (products + transforms) + weights;
}

double unstrided_work(ConvDirection d, const ConvShape& s) {
  if (d == ConvDirection::weight) return unstrided_weight_work(s);
  const WinogradShape c = d == ConvDirection::forward ? forward_shape(s) : input_shape(s);
  const double C = c.C, O = c.O, O16 = round_up(c.O, 16), taps = s.taps();
  const double direct = taps * C * O * c.OH * round_up(c.OW, 16) / 0.8;
  const double inside = double(taps_inside(c.OH, c.H, c.ph, s.KH, s.at.dh)) *
                        taps_inside(c.OW, c.W, c.pw, s.KW, s.at.dw);
  const double channels = O16 * (C * inside / 0.97 + 25.0 * c.OH * c.OW) + taps * C * O16;
  return direct < channels ? direct : channels;
}

namespace ops {

// Each group's weights as Winograd::weights has them.
void transform_conv2d(const OpArgs& args) {
  const View& w = args.in[0];
  const int64_t G = args.attributes<TransformConvAttrs>().groups, O = w.shape[0] / G;
  const int64_t C = w.shape[1], taps = w.shape[2] * w.shape[3];
  for_float(w.dtype, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    WinogradTiles p{};
    p.lanes = kernels<T>().lanes;
    const int64_t blocks = ceil_div(O, p.lanes), step = p.step(C);
    parallel_for(G * blocks, Winograd<T>::transform_work(C, G * O), [&](int64_t t, int) {
      const int64_t o = t % blocks * p.lanes;
      kernels<T>().winograd_weight(int(w.shape[2]), int(least(p.lanes, O - o)), C,
                                   w.ptr<T>() + (t / blocks * O + o) * C * taps, C * taps, taps,
                                   false, args.out[0].ptr<T>() + t * kFrequencies * step, step);
    });
  });
}

}  // namespace ops

const ConvMethod winograd_unstrided[3] = {
    {winograd_applies, workspace<forward_shape>, run<forward_shape>},
    {winograd_applies, workspace<input_shape>, run<input_shape>},
    {winograd_applies, winograd_weight_workspace, run_winograd_weight}};

}  // namespace nnf
