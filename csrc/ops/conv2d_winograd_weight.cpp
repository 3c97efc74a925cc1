// The tiles of all images are summed in blocks: both transforms of a block, then for each frequency
// a product over its tiles, added to the sums so far. Where the sums of all frequencies fit the
// cache, runs of blocks are summed apart, each by one task, and added in order; where they do not,
// tasks share the transforms of a block and each adds some frequencies. How the tiles are cut is a
// matter of shape alone.
#include "ops/conv2d_winograd_weight.h"

#include <algorithm>
#include <type_traits>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/winograd_tiles.h"

namespace nnf {

namespace {

constexpr int64_t kFrequencies = kWinogradInputs * kWinogradInputs;
constexpr int64_t kSumBytes = 1 << 20;               // of sums that a task keeps for itself
constexpr int64_t kBlockBytes = 512 << 10;           // of its transforms: in L2
constexpr int64_t kSharedBytes = 8 << 20;            // of transforms that tasks share: in L3
constexpr int64_t kMaxTiles = 64;                    // of a block of a task
constexpr int64_t kMinTiles = 32, kMaxShared = 256;  // of a shared one
constexpr int64_t kRuns = 16;                        // enough of them for many threads

// How the tiles of all images are cut: by shape and the ISA's lanes alone.
struct WeightPlan : WinogradTiles {
  int64_t c_blocks, o_blocks;
  int64_t runs, run_blocks;
  bool share;

  int64_t sum_items() const { return kFrequencies * step(o_blocks * c_blocks * lanes); }
  int64_t block_items() const {
    return kFrequencies * (step(c_blocks * tiles()) + step(o_blocks * tiles()));
  }
  int64_t scratch_items() const {
    return most(scratch_vectors(), taps * taps * c_blocks * lanes + lanes) * lanes;
  }
  int64_t worker_items() const { return (share ? 0 : block_items()) + scratch_items(); }
  int64_t group_items() const {
    return runs * sum_items() + (share ? block_items() : 0) + worker_items();
  }
  int64_t items(int64_t groups) const {
    const int64_t more = num_threads() - 1;
    return group_items() + more * (groups_apart(groups) ? group_items() : worker_items());
  }
};

template <class T>
WeightPlan make_plan(const ConvShape& s) {
  WeightPlan p;
  p.lanes = kernels<T>().lanes;
  p.c_blocks = ceil_div(s.C, p.lanes), p.o_blocks = ceil_div(s.O, p.lanes);
  p.set_images(s.N, s.OH, s.OW, s);
  p.share = p.sum_items() * int64_t(sizeof(T)) > kSumBytes;
  const int64_t tile_bytes =
      kFrequencies * (p.c_blocks + p.o_blocks) * p.lanes * int64_t(sizeof(T));
  const int64_t fitting = (p.share ? kSharedBytes : kBlockBytes) / (tile_bytes + 1);
  const int64_t target = least(fitting, p.share ? kMaxShared : kMaxTiles);
  p.cut(target < kMinTiles ? kMinTiles : target);
  p.run_blocks = p.share ? p.blocks : ceil_div(p.blocks, kRuns);
  p.runs = ceil_div(p.blocks, p.run_blocks);
  return p;
}

template <class T>
struct WeightSums {
  const ConvShape& s;
  const WeightPlan p;
  const T *dy, *x;
  T *dw, *sums, *shared, *workers;
  const int64_t group;

  WeightSums(const ConvShape& s, const OpArgs& args, int64_t group, int worker)
      : s(s),
        p(make_plan<T>(s)),
        dy(args.in[0].ptr<T>()),
        x(args.in[1].ptr<T>()),
        dw(args.out[0].ptr<T>()),
        sums(static_cast<T*>(args.workspace) + worker * p.group_items()),
        shared(sums + p.runs * p.sum_items()),
        workers(shared + (p.share ? p.block_items() : 0)),
        group(group) {}
  T* worker(int i) const { return workers + i * p.worker_items(); }

  using Block = WinogradTiles::Block;
  int64_t x_step(const Block& k) const { return p.step(p.c_blocks * k.tiles); }
  int64_t dy_step(const Block& k) const { return p.step(p.o_blocks * k.tiles); }

  // Image i of a block: channel block j of x, or, from c_blocks on, of dy.
  void transform(const Block& k, int64_t i, int64_t j, T* scratch, T* v) const {
    const bool of_x = j < p.c_blocks;
    const int64_t channels = of_x ? s.C : s.O, b = of_x ? j : j - p.c_blocks;
    const WinogradRegion g =
        of_x ? p.region(k, i, s.H, s.W, s.at.ph, s.at.pw) : p.region(k, i, s.OH, s.OW, 0, 0);
    const T* plane =
        (of_x ? x : dy) + ((p.image(k, i) * s.G + group) * channels + b * p.lanes) * g.H * g.W;
    const int count = int(least(p.lanes, channels - b * p.lanes));
    T* to = v + (b * k.tiles + p.tiles_before(k, i)) * p.lanes;
    if (of_x)
      kernels<T>().winograd_input(g, plane, count, scratch, to, x_step(k));
    else
      kernels<T>().winograd_gradient(g, plane, count, scratch, to + kFrequencies * x_step(k),
                                     dy_step(k));
  }

  // Adds frequency f of a block to the sums of a run.
  void add(const Block& k, int64_t f, const T* v, T* sum, bool go_on) const {
    kernels<T>().winograd_sums(k.tiles, p.c_blocks, p.o_blocks, v + f * x_step(k),
                               v + kFrequencies * x_step(k) + f * dy_step(k), sum + f * sum_step(),
                               go_on);
  }
  int64_t sum_step() const { return p.step(p.o_blocks * p.c_blocks * p.lanes); }

  // See parallel_for.
  double work(int64_t tiles) const { return double(kFrequencies) * tiles * s.C * s.O; }
  double work() const { return work(p.blocks * p.tiles()); }

  void run_apart() const {
    parallel_for(p.runs, work(p.blocks * p.tiles()), [&](int64_t r, int i) {
      T* v = worker(i);
      const int64_t first = r * p.run_blocks, last = least(p.blocks, first + p.run_blocks);
      for (int64_t b = first; b < last; ++b) {
        const Block k = p.block(b);
        for (int64_t n = 0; n < k.images; ++n)
          for (int64_t j = 0; j < p.c_blocks + p.o_blocks; ++j)
            transform(k, n, j, v + p.block_items(), v);
        for (int64_t f = 0; f < kFrequencies; ++f)
          add(k, f, v, sums + r * p.sum_items(), b > first);
      }
    });
  }

  void run_shared() const {
    for (int64_t b = 0; b < p.blocks; ++b) {
      const Block k = p.block(b);
      const int64_t channels = p.c_blocks + p.o_blocks;
      parallel_for(k.images * channels, work(k.tiles), [&](int64_t t, int i) {
        transform(k, t / channels, t % channels, worker(i), shared);
      });
      parallel_for(kFrequencies, work(k.tiles),
                   [&](int64_t f, int) { add(k, f, shared, sums, b > 0); });
    }
  }

  // Runs are added up, and brought back.
  void finish() const {
    const int64_t width = p.c_blocks * p.lanes * p.lanes;  // of an output block and frequency
    const auto plus = kernels<T>().map[int(Map::add)];
    const double moved = double(p.runs) * p.sum_items();
    parallel_for(p.o_blocks, moved, [&](int64_t o, int i) {
      T* sum = sums + o * width;
      for (int64_t r = 1; r < p.runs; ++r)
        for (int64_t f = 0; f < kFrequencies; ++f) {
          T* to = sum + f * sum_step();
          plus({width, to, to + r * p.sum_items(), nullptr, 1, 1, 0, to, {}});
        }
      const int64_t first = o * p.lanes;
      kernels<T>().winograd_sums_output(int(p.taps), int(least(p.lanes, s.O - first)), s.C, sum,
                                        sum_step(),
                                        worker(i) + p.worker_items() - p.scratch_items(),
                                        dw + (group * s.O + first) * s.C * s.taps());
    });
  }

  void run() const {
    if (p.share)
      run_shared();
    else
      run_apart();
    finish();
  }
};

}  // namespace

double winograd_weight_work(const ConvShape& s) {
  const double tiles = s.N * winograd_tiles(s, s.OH, s.OW), outputs = winograd_outputs(s.KH);
  const double C16 = round_up(s.C, 16), O16 = round_up(s.O, 16);
  const double products = 36 * C16 * O16, sums = 600 * C16 * O16;
  const double transforms = (170 + 45 * outputs) * C16 + (100 + 45 * outputs) * O16;
  return tiles * (products + transforms) + sums;
}

double unstrided_weight_work(const ConvShape& s) {
  const double inside = double(taps_inside(s.OH, s.H, s.at.ph, s.KH, s.at.dh)) *
                        taps_inside(s.OW, s.W, s.at.pw, s.KW, s.at.dw);
  const double O = least(round_up(s.O, 16), s.O * 4 / 3);
  return s.C * O * (s.N * inside / 0.9 + 11.0 * s.taps());
}

int64_t winograd_weight_workspace(const ConvShape& s, DType t) {
  if (s.N * s.OH * s.OW == 0) return 0;
  return t == DType::f64 ? make_plan<double>(s).items(s.G) * 8 : make_plan<float>(s).items(s.G) * 4;
}

void run_winograd_weight(const ConvShape& s, const OpArgs& args) {
  for_float(args.out[0].dtype, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    if (s.N * s.OH * s.OW == 0)
      std::fill_n(args.out[0].ptr<T>(), args.out[0].size, T(0));
    else
      for_groups(s.G, WeightSums<T>(s, args, 0, 0).work(),
                 [&](int64_t group, int worker) { WeightSums<T>(s, args, group, worker).run(); });
  });
}

}  // namespace nnf
