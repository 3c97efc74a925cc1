// The gradient of the weight by vectors of output channels (kernels/channels.h): for each tap a
// product of x, read where it lies, and dy, turned so that a pixel's channels lie side by side,
// summed over the pixels that see the inside of the image through it.
//
// A task sums a block of the weights over a run of units (a band of rows of one image, or several
// small images), one after the other; runs are added in order. How many there are is a matter of
// shape alone.
#include <algorithm>
#include <type_traits>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/conv2d_channels.h"
#include "ops/conv_choice.h"

namespace nnf {

namespace {

constexpr int64_t kPixels = 256;  // of a unit, about
constexpr int64_t kStrip = 4;     // vectors of output channels of a task
constexpr int64_t kRows = 1152;   // input channels times taps of a task
constexpr int64_t kTasks = 16;    // enough of them for many threads

template <class T>
struct WeightPlan {
  int64_t lanes = kernels<T>().lanes, nr = kernels<T>().nr;
  int64_t width, strips, block, blocks;  // of output and input channels
  int64_t images, groups, band, bands;   // of a unit; groups of images, bands of rows
  int64_t runs, run_units;

  explicit WeightPlan(const ConvShape& s) {
    width = kStrip * lanes, strips = ceil_div(s.O, width);
    blocks = ceil_div(s.C * s.taps(), kRows), block = ceil_div(s.C, blocks);
    blocks = ceil_div(s.C, block);
    const int64_t P = s.OH * s.OW;
    const bool joined = P * 2 <= kPixels;
    images = joined ? least(kPixels / P, s.N) : 1;
    groups = ceil_div(s.N, images), images = ceil_div(s.N, groups);
    bands = joined ? 1 : ceil_div(s.OH, most(kPixels / s.OW, 1));
    band = ceil_div(s.OH, bands), bands = ceil_div(s.OH, band);
    const int64_t wanted = ceil_div(kTasks, s.G * strips * blocks);
    run_units = ceil_div(units(), wanted), runs = ceil_div(units(), run_units);
  }
  int64_t units() const { return groups * bands; }
  bool same_steps() const { return bands == 1; }  // for all units
  int64_t pixels(const ConvShape& s) const { return images * band * s.OW; }

  // Elements of workspace.
  static int64_t weights(const ConvShape& s) { return s.G * s.O * s.C * s.taps(); }
  int64_t partial_items(const ConvShape& s) const { return round_up((runs - 1) * weights(s), 16); }
  int64_t sum_items(const ConvShape& s) const { return block * s.taps() * width; }
  int64_t panel_items(const ConvShape& s) const { return pixels(s) * width; }
  int64_t table_items(const ConvShape& s) const {  // spots, steps
    const int64_t steps = same_steps() ? 0 : band * s.OW;
    return round_up(2 * (block + steps) * 8, 64) / int64_t(sizeof(T));
  }
  int64_t shared_items(const ConvShape& s) const {  // steps of all taps, and how many there are
    const int64_t words = same_steps() ? s.taps() * (2 * s.OH * s.OW + 1) : 0;
    return round_up(words * 8, 64) / int64_t(sizeof(T));
  }
  int64_t worker_items(const ConvShape& s) const {
    return sum_items(s) + panel_items(s) + table_items(s);
  }
};

template <class T>
struct WeightChannels {
  const ConvShape& s;
  const WeightPlan<T> p;
  const T *dy, *x;
  T *dw, *partial, *workers;
  TapStep* steps;   // of tap t from t * OH * OW on, where they are the same for all units
  int64_t* counts;  // of them

  WeightChannels(const ConvShape& s, const OpArgs& args)
      : s(s),
        p(s),
        dy(args.in[0].ptr<T>()),
        x(args.in[1].ptr<T>()),
        dw(args.out[0].ptr<T>()),
        partial(static_cast<T*>(args.workspace)),
        workers(partial + p.partial_items(s) + p.shared_items(s)),
        steps(reinterpret_cast<TapStep*>(partial + p.partial_items(s))),
        counts(reinterpret_cast<int64_t*>(steps + s.taps() * s.OH * s.OW)) {}

  struct Block {
    int64_t g, o, outputs, c, channels;
    int64_t vectors, ld;  // of outputs
  };
  struct Unit {
    int64_t image, images, row, rows;
  };
  struct Memory {
    T *sums, *panels;
    Spot* spots;
    TapStep* steps;
  };

  // dy of a unit: panels of nr channels, a row for each pixel.
  void turn(const Block& b, const Unit& u, T* panels) const {
    const int64_t P = s.OH * s.OW, pixels = u.rows * s.OW;
    for (int64_t n = 0; n < u.images; ++n)
      for (int64_t o = 0; o < b.outputs; o += p.nr) {
        const T* from = dy + (((u.image + n) * s.G + b.g) * s.O + b.o + o) * P + u.row * s.OW;
        kernels<T>().copy_transposed(least(p.nr, b.outputs - o), pixels, from, P,
                                     panels + (o * u.images + n * p.nr) * pixels, p.nr, false);
      }
  }

  // The pixels of some rows of an image that see the inside through tap t, as steps from pixel
  // (0, 0) of the rows; returns how many.
  int64_t find_steps(int64_t row, int64_t rows, int64_t t, TapStep* steps) const {
    const Conv2dAttrs& at = s.at;
    const int64_t i = t / s.KW, j = t % s.KW;
    TapStep* to = steps;
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t h = (row + r) * at.sh - at.ph + i * at.dh;
      if (h < 0 || h >= s.H) continue;
      for (int64_t v = 0, w = j * at.dw - at.pw; v < s.OW; ++v, w += at.sw)
        if (w >= 0 && w < s.W) *to++ = {h * s.W + w, (r * s.OW + v) * p.nr};
    }
    return to - steps;
  }

  // sums = or += the products of a unit.
  void add_unit(const Block& b, const Unit& u, const Memory& m, bool accumulate) const {
    const int64_t pixels = u.rows * s.OW, taps = s.taps();
    turn(b, u, m.panels);
    ChannelArgs<T> a;
    a.n = b.channels, a.spots = m.spots;
    a.channels = u.images, a.x_step = s.G * s.C * s.H * s.W, a.w_step = pixels * p.nr;
    a.x = x + ((u.image * s.G + b.g) * s.C + b.c) * s.H * s.W;
    a.w = m.panels, a.panel = u.images * pixels * p.nr, a.ld = b.ld, a.accumulate = accumulate;
    for (int64_t t = 0; t < taps; ++t) {
      a.steps = p.same_steps() ? steps + t * s.OH * s.OW : m.steps;
      a.taps = p.same_steps() ? counts[t] : find_steps(u.row, u.rows, t, m.steps);
      a.y = m.sums + t * b.ld;
      kernels<T>().channels(a, int(b.vectors));
    }
  }

  void run_task(int64_t t, T* memory) const {
    const int64_t block = t % p.blocks, strip = t / p.blocks % p.strips;
    const int64_t gr = t / p.blocks / p.strips, run = gr / s.G, taps = s.taps();
    Block b{gr % s.G, strip * p.width, 0, block * p.block, 0, 0, 0};
    b.outputs = least(p.width, s.O - b.o), b.channels = least(p.block, s.C - b.c);
    b.vectors = ceil_div(b.outputs, p.lanes), b.ld = b.vectors * p.lanes;
    Memory m{memory, memory + p.sum_items(s), nullptr, nullptr};
    m.spots = reinterpret_cast<Spot*>(m.panels + p.panel_items(s));
    m.steps = reinterpret_cast<TapStep*>(m.spots + p.block);
    for (int64_t c = 0; c < b.channels; ++c) m.spots[c] = {c * s.H * s.W, c * taps};
    const int64_t first = run * p.run_units, last = least(p.units(), first + p.run_units);
    for (int64_t u = first; u < last; ++u) {
      const int64_t row = u % p.bands * p.band, image = u / p.bands * p.images;
      add_unit(b, {image, least(p.images, s.N - image), row, least(p.band, s.OH - row)}, m,
               u > first);
    }
    T* to = run > 0 ? partial + (run - 1) * p.weights(s) : dw;
    kernels<T>().copy_transposed(b.channels * taps, b.outputs, m.sums, b.ld,
                                 to + ((b.g * s.O + b.o) * s.C + b.c) * taps, s.C * taps, false);
  }

  // dw += the sums of all runs but the first, in order.
  void add_runs() const {
    constexpr int64_t kPiece = 4096;
    const int64_t n = p.weights(s);
    const auto add = kernels<T>().map[int(Map::add)];
    parallel_for(ceil_div(n, kPiece), double(p.runs - 1) * n, [&](int64_t t, int) {
      const int64_t i = t * kPiece, m = least(kPiece, n - i);
      for (int64_t r = 0; r + 1 < p.runs; ++r)
        add({m, dw + i, partial + r * n + i, nullptr, 1, 1, 0, dw + i, {}});
    });
  }

  void run() const {
    const int64_t P = s.OH * s.OW;
    if (p.same_steps())
      for (int64_t t = 0; t < s.taps(); ++t) counts[t] = find_steps(0, s.OH, t, steps + t * P);
    const double work = double(s.N) * P * p.weights(s) * kMultiplyAdd;
    parallel_for(p.runs * s.G * p.strips * p.blocks, work,
                 [&](int64_t t, int i) { run_task(t, workers + i * p.worker_items(s)); });
    if (p.runs > 1) add_runs();
  }
};

template <class T>
int64_t bytes(const ConvShape& s) {
  const WeightPlan<T> p(s);
  return (p.partial_items(s) + p.shared_items(s) + num_threads() * p.worker_items(s)) *
         int64_t(sizeof(T));
}

}  // namespace

int64_t channels_weight_workspace(const ConvShape& s, DType t) {
  if (s.N * s.OH * s.OW == 0) return 0;
  return t == DType::f64 ? bytes<double>(s) : bytes<float>(s);
}

void run_channels_weight(const ConvShape& s, const OpArgs& args) {
  for_float(args.out[0].dtype, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    if (s.N * s.OH * s.OW == 0)
      std::fill_n(args.out[0].ptr<T>(), args.out[0].size, T(0));
    else
      WeightChannels<T>(s, args).run();
  });
}

}  // namespace nnf
