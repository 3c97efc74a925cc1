// Convolution and the gradient of its input by vectors of output channels (kernels/channels.h).
//
// A task makes some channels of a region: a band of rows of one image, or several small images. It
// sums over blocks of input channels, which are added in order. Within a block its pixels come
// sorted by the taps that they see. Results lie channels side by side until they are complete.
#include "ops/conv2d_channels.h"

#include <type_traits>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/conv_choice.h"
#include "ops/conv_epilogue.h"

namespace nnf {

namespace {

constexpr int64_t kProducts = 256;   // of an element and block
constexpr int64_t kRows = 1024;      // of a block's weights: they stay in L2
constexpr int64_t kPixels = 448;     // of a region, about,
constexpr int64_t kFewPixels = 112;  // or at least, where there would be too few tasks
constexpr int64_t kStrip = 4;        // vectors of channels that the weights of a block are read for
constexpr int64_t kStrips = 2;       // of a task
constexpr int64_t kTasks = 16;       // enough of them for many threads
constexpr int64_t kMostTaps = 16;    // in one dimension: the tables stay small
constexpr double kPackOne = 1;       // work of packing a weight, see parallel_for

// y[n, g, o] = bias[g, o] + sum over c and taps of w[g, o, c] * x[n, g, c], whether forward or
// gradient; the taps of w[g, o, c] lie at g * C O KH KW + o * w_row + c * w_channel.
struct ChannelsShape {
  int64_t N, G, C, O;
  TapAxis rows, cols;
  int64_t taps, w_row, w_channel;

  int64_t pixels() const { return rows.size * cols.size; }
  int64_t source() const { return rows.source * cols.source; }
};

ChannelsShape channels_shape(const ConvShape& s, bool forward) {
  const int64_t C = forward ? s.C : s.O, O = forward ? s.O : s.C, K = s.taps(), far = s.C * K;
  return {s.N,
          s.G,
          C,
          O,
          row_axis(s, forward),
          col_axis(s, forward),
          K,
          forward ? far : K,
          forward ? K : far};
}

struct Segment {  // spots of a region that see the same taps
  int64_t first, count, taps, steps;
};

template <class T>
struct ChannelsPlan {
  int64_t lanes = kernels<T>().lanes, nr = kernels<T>().nr;
  int64_t block, blocks;                // of input channels
  int64_t images, groups, band, bands;  // of a region; groups of images, bands of rows
  int64_t width, strips;                // of output channels
  int64_t task_strips, strip_tasks;
  bool own_weights;  // each task packs its own: there is one region

  explicit ChannelsPlan(const ChannelsShape& c) {
    const int64_t most_taps = most(c.rows.most * c.cols.most, 1);
    block = most(least(kProducts / most_taps, kRows / c.taps), 1);
    blocks = most(ceil_div(c.C, block), 1), block = ceil_div(c.C, blocks);
    cut(c, kPixels, kStrip, kStrips);
    if (tasks(c) < kTasks) cut(c, kPixels, kStrip, 1);
    if (tasks(c) < kTasks && groups * bands > 1) cut(c, kFewPixels, kStrip, 1);
    if (tasks(c) < kTasks / 2) cut(c, groups * bands > 1 ? kFewPixels : kPixels, kStrip / 2, 1);
    own_weights = groups * bands == 1;
  }

  void cut(const ChannelsShape& c, int64_t pixels, int64_t vectors, int64_t some) {
    const int64_t P = c.pixels(), H = c.rows.size, W = c.cols.size;
    images = P * 2 <= pixels ? least(pixels / P, c.N) : 1;
    groups = ceil_div(c.N, images), images = ceil_div(c.N, groups);
    bands = P * 2 <= pixels ? 1 : ceil_div(H, most(pixels / W, 1));
    band = ceil_div(H, bands), bands = ceil_div(H, band);
    width = vectors * lanes, strips = ceil_div(c.O, width);
    strip_tasks = ceil_div(strips, some), task_strips = ceil_div(strips, strip_tasks);
  }

  int64_t tasks(const ChannelsShape& c) const { return c.G * groups * bands * strip_tasks; }
  int64_t region(const ChannelsShape& c) const { return images * band * c.cols.size; }
  int64_t panels() const { return strips * width / nr; }

  // Elements of workspace of a worker: results, weights, spots and segments.
  int64_t result_items(const ChannelsShape& c) const {
    return round_up(region(c) * task_strips * width, 16);
  }
  int64_t weight_items(const ChannelsShape& c) const {
    return own_weights ? width * block * c.taps : 0;
  }
  int64_t spot_items(const ChannelsShape& c) const {
    const int64_t words = 2 * region(c) + 4 * c.rows.classes * c.cols.classes;
    return round_up(words * 8, 64) / int64_t(sizeof(T));
  }
  int64_t worker_items(const ChannelsShape& c) const {
    return result_items(c) + weight_items(c) + spot_items(c);
  }
  // Of all weights, in panels.
  int64_t all_weights_items(const ChannelsShape& c) const {
    return own_weights ? 0 : round_up(c.G * panels() * nr * c.C * c.taps, 16);
  }
};

// Tables of a call: classes of both axes, and the steps of each pair of them.
struct ChannelsTables {
  static int64_t items(const ChannelsShape& c) {  // of 8 bytes
    return round_up(5 * (c.rows.classes + c.cols.classes) + 2 * (c.rows.entries + c.cols.entries) +
                        2 * c.rows.entries * c.cols.entries,
                    8);
  }
  // Fills in what c's axes point to, and the steps.
  static TapStep* fill(ChannelsShape& c, int64_t KW, int64_t ld, int64_t nr, void* memory) {
    TapClass* classes = static_cast<TapClass*>(memory);
    c.rows.of = classes, c.cols.of = classes + c.rows.classes;
    TapAt* list = reinterpret_cast<TapAt*>(c.cols.of + c.cols.classes);
    c.rows.list = list, c.cols.list = list + c.rows.entries;
    TapStep* steps = reinterpret_cast<TapStep*>(c.cols.list + c.cols.entries);
    c.rows.find(), c.cols.find();
    for (int64_t a = 0; a < c.rows.classes; ++a)
      for (int64_t b = 0; b < c.cols.classes; ++b) {
        TapStep* to = steps + steps_at(c, c.rows.of[a], c.cols.of[b]);
        for_taps(c.rows, c.rows.of[a], [&](const TapAt& h) {
          for_taps(c.cols, c.cols.of[b], [&](const TapAt& w) {
            *to++ = {h.offset * ld + w.offset, (h.tap * KW + w.tap) * nr};
          });
        });
      }
    return steps;
  }
  template <class F>
  static void for_taps(const TapAxis& axis, const TapClass& t, F&& f) {
    for (int64_t i = 0; i < t.taps; ++i) f(axis.list[t.list + i]);
  }
  static int64_t steps_at(const ChannelsShape& c, const TapClass& h, const TapClass& w) {
    return h.list * c.cols.entries + w.list * h.taps;
  }
};

template <class T>
struct Channels {
  ChannelsShape c;
  const ChannelsPlan<T> p;
  const T *x, *w, *bias;
  const ConvEpilogue<T> ep;
  T* y;
  const TapStep* steps;
  T *weights, *workers;

  Channels(const ChannelsShape& shape, int64_t KW, const OpArgs& args)
      : c(shape),
        p(shape),
        x(args.in[0].ptr<T>()),
        w(args.in[1].ptr<T>()),
        bias(bias_of<T>(args)),
        ep(args),
        y(args.out[0].ptr<T>()),
        steps(ChannelsTables::fill(c, KW, c.cols.source, p.nr, args.workspace)),
        weights(
            reinterpret_cast<T*>(static_cast<int64_t*>(args.workspace) + ChannelsTables::items(c))),
        workers(weights + p.all_weights_items(c)) {}

  // Weights of a panel (its first output is o) and channels [c0, c0 + n).
  void pack(int64_t g, int64_t o, int64_t c0, int64_t n, T* panel) const {
    const auto& kn = kernels<T>();
    const int64_t outputs = least(p.nr, c.O - o);
    const T* from = w + g * c.O * c.C * c.taps + o * c.w_row + c0 * c.w_channel;
    if (c.w_channel == c.taps) return kn.pack_b(n * c.taps, outputs, from, 1, c.w_row, panel);
    if (c.taps == 1) return kn.pack_b(n, outputs, from, c.w_channel, 1, panel);
    kn.pack_outputs(n, int(c.taps), int(outputs), from, c.w_row, c.w_channel, panel);
  }

  void pack_all() const {
    const int64_t panels = ceil_div(c.O, p.nr);
    const double work = kPackOne * double(c.G) * c.O * c.C * c.taps;
    parallel_for(c.G * panels * p.blocks, work, [&](int64_t t, int) {
      const int64_t b = t % p.blocks, panel = t / p.blocks % panels, g = t / p.blocks / panels;
      pack(g, panel * p.nr, b * p.block, least(p.block, c.C - b * p.block),
           weights + ((g * p.panels() + panel) * c.C + b * p.block) * c.taps * p.nr);
    });
  }

  struct Task {
    int64_t g, strip, strips;          // strips of channels
    int64_t image, images, row, rows;  // its region
  };

  Task task(int64_t t) const {
    Task k;
    k.strip = t % p.strip_tasks * p.task_strips;
    k.strips = least(p.task_strips, p.strips - k.strip);
    t /= p.strip_tasks;
    k.row = t % p.bands * p.band, k.rows = least(p.band, c.rows.size - k.row);
    t /= p.bands;
    k.image = t % p.groups * p.images, k.images = least(p.images, c.N - k.image);
    k.g = t / p.groups;
    return k;
  }

  // The pixels of a region, sorted by the taps that they see. Returns how many segments there are.
  int64_t find_spots(const Task& k, Spot* spots, Segment* segments) const {
    const int64_t step_h = c.rows.step(), step_w = c.cols.step();
    int64_t count = 0, used = 0;
    for (int64_t a = 0; a < c.rows.classes; ++a) {
      const TapClass& h = c.rows.of[a];
      const int64_t first = k.row > h.first ? ceil_div(k.row - h.first, step_h) : 0;
      const int64_t end =
          k.row + k.rows > h.first ? least(h.count, ceil_div(k.row + k.rows - h.first, step_h)) : 0;
      if (first >= end) continue;
      for (int64_t b = 0; b < c.cols.classes; ++b) {
        const TapClass& v = c.cols.of[b];
        const int64_t begin = used;
        for (int64_t n = 0; n < k.images; ++n)
          for (int64_t i = first; i < end; ++i) {
            const int64_t row = (h.seen + i * c.rows.pace()) * c.cols.source + v.seen;
            int64_t src = n * c.G * c.C * c.source() + row;
            int64_t dst = (n * k.rows + h.first + i * step_h - k.row) * c.cols.size + v.first;
            for (int64_t j = 0; j < v.count; ++j, src += c.cols.pace(), dst += step_w)
              spots[used++] = {src, dst};
          }
        segments[count++] = {begin, used - begin, h.taps * v.taps,
                             ChannelsTables::steps_at(c, h, v)};
      }
    }
    return count;
  }

  int64_t outputs_at(int64_t strip) const { return least(p.width, c.O - strip * p.width); }

  void run_task(int64_t t, T* results) const {
    const Task k = task(t);
    T* own = results + p.result_items(c);
    Spot* spots = reinterpret_cast<Spot*>(own + p.weight_items(c));
    Segment* segments = reinterpret_cast<Segment*>(spots + p.region(c));
    const int64_t n_segments = find_spots(k, spots, segments);
    const int64_t pixels = k.images * k.rows * c.cols.size;
    for (int64_t b = 0; b < p.blocks; ++b)
      for (int64_t s = 0; s < k.strips; ++s)
        for_strip(k, b, k.strip + s, spots, segments, n_segments, own,
                  results + s * pixels * p.width);
    for (int64_t s = 0; s < k.strips; ++s) finish(k, k.strip + s, results + s * pixels * p.width);
  }

  // Adds block b of the channels to the results of a strip.
  void for_strip(const Task& k, int64_t b, int64_t strip, const Spot* spots,
                 const Segment* segments, int64_t n, T* own, T* results) const {
    const int64_t c0 = b * p.block, channels = least(p.block, c.C - c0);
    const int64_t vectors = ceil_div(outputs_at(strip), p.lanes), row = c.taps * p.nr;
    const int64_t panel = (p.own_weights ? channels : c.C) * row;
    const T* u = weights + ((k.g * p.panels() + strip * p.width / p.nr) * c.C + c0) * row;
    if (p.own_weights) {
      for (int64_t o = 0; o < outputs_at(strip); o += p.nr)
        pack(k.g, strip * p.width + o, c0, channels, own + o / p.nr * panel);
      u = own;
    }
    ChannelArgs<T> a;
    a.channels = channels, a.x_step = c.source(), a.w_step = row;
    a.x = x + ((k.image * c.G + k.g) * c.C + c0) * c.source(), a.w = u, a.panel = panel;
    a.y = results, a.ld = vectors * p.lanes, a.accumulate = b > 0;
    for (int64_t i = 0; i < n; ++i) {
      a.n = segments[i].count, a.spots = spots + segments[i].first;
      a.taps = segments[i].taps, a.steps = steps + segments[i].steps;
      kernels<T>().channels(a, int(vectors));
    }
  }

  // Brings the results of a strip to their place.
  void finish(const Task& k, int64_t strip, const T* results) const {
    const int64_t outputs = outputs_at(strip), ld = round_up(outputs, p.lanes);
    const int64_t pixels = k.rows * c.cols.size, first = k.g * c.O + strip * p.width;
    for (int64_t n = 0; n < k.images; ++n, results += pixels * ld) {
      T* to = y + ((k.image + n) * c.G * c.O + first) * c.pixels() + k.row * c.cols.size;
      kernels<T>().copy_transposed(pixels, outputs, results, ld, to, c.pixels(), false);
      ep.apply(outputs, pixels, to, c.pixels(), bias ? bias + first : nullptr);
    }
  }

  void run() const {
    if (!p.own_weights) pack_all();
    const double work = double(c.N) * c.G * c.O * c.pixels() * (c.C * c.taps * kMultiplyAdd + 1);
    parallel_for(p.tasks(c), work,
                 [&](int64_t t, int i) { run_task(t, workers + i * p.worker_items(c)); });
  }
};

template <bool kForward>
ChannelsShape counted_shape(const ConvShape& s) {
  ChannelsShape c = channels_shape(s, kForward);
  c.rows.find(), c.cols.find();
  return c;
}

template <class T>
int64_t bytes(const ChannelsShape& c) {
  const ChannelsPlan<T> p(c);
  const int64_t items = p.all_weights_items(c) + num_threads() * p.worker_items(c);
  return ChannelsTables::items(c) * 8 + items * int64_t(sizeof(T));
}

template <bool kForward>
int64_t workspace(const ConvShape& s, DType t) {
  const ChannelsShape c = counted_shape<kForward>(s);
  return t == DType::f64 ? bytes<double>(c) : bytes<float>(c);
}

template <bool kForward>
void run(const ConvShape& s, const OpArgs& args) {
  for_float(args.out[0].dtype, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    Channels<T>(counted_shape<kForward>(s), s.KW, args).run();
  });
}

bool applies(const ConvLayer& s) { return s.KH <= kMostTaps && s.KW <= kMostTaps; }

}  // namespace

const ConvMethod conv_channels[3] = {{applies, workspace<true>, run<true>},
                                     {applies, workspace<false>, run<false>},
                                     {applies, channels_weight_workspace, run_channels_weight}};

}  // namespace nnf
