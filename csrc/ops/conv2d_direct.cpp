// Convolution and the gradient of its input straight from the image (kernels/direct.h).
//
// A task is a band of rows of one image. It copies a block of channels with their border, cut
// into the columns that the taps of a stride reach, and sums over the block's K = (channel, tap)
// in order; blocks are added in order.
#include "ops/conv2d_direct.h"

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/conv2d_band.h"

namespace nnf {

namespace {

constexpr int64_t kBlock = 256;     // products per element and block: its weights stay in L1
constexpr int64_t kBand = 512;      // pixels of a task, at least where there are so many
constexpr int64_t kImageTasks = 4;  // tasks of an image, at least where it has tiles for them

// How a product is cut up: rows of the result lie in tiles of nearly the same height.
template <class T>
struct Cut : Bands<T> {
  int64_t tiles, splits;  // splits: parts of the tiles, so that an image has several tasks

  explicit Cut(const ProductSize& p)
      : Bands<T>(p, kBlock, kBand, kernels<T>().lanes),
        tiles(ceil_div(p.M, kernels<T>().direct_rows)) {
    const int64_t parts = ceil_div(kImageTasks, this->bands);
    splits = parts < tiles ? parts : tiles;
  }
  int64_t tile_begin(int64_t t) const {
    const int64_t M = this->p.M, more = M % tiles;
    return t * (M / tiles) + (t < more ? t : more);
  }
  int64_t table_items() const {
    return round_up(this->block * this->p.taps() + 3 * this->runs(), 8);
  }
  int64_t weight_items() const { return round_up(this->p.G * this->p.M * this->p.K(), 16); }
  int64_t worker_items() const {
    return this->items() +
           round_up(this->p.M * this->band * this->p.w.pixels + kernels<T>().lanes, 16);
  }
};

// Tiles of weights, one after the other: row i, product k of a tile of m rows at [k * m + i].
template <class T>
void pack_weights(const Product<T>& p, const Cut<T>& cut, T* panels) {
  const ImageGrid& g = p.grid;
  const int64_t K = p.K();
  parallel_for(p.G * cut.tiles, double(p.G) * p.M * K, [&](int64_t task, int) {
    const int64_t group = task / cut.tiles, t = task % cut.tiles;
    const int64_t begin = cut.tile_begin(t), m = cut.tile_begin(t + 1) - begin;
    T* panel = panels + (group * p.M + begin) * K;
    for (int64_t i = 0; i < m; ++i) {
      const T* w = p.w + group * p.w_group + (begin + i) * p.w_row;
      T* next = panel + i;
      for (int64_t c = 0; c < g.channels; ++c, w += p.w_channel)
        for (int64_t kh = 0; kh < g.KH; ++kh)
          for (int64_t kw = 0; kw < g.KW; ++kw, next += m)
            *next = w[p.tables->tap_row[kh] * p.w_width + p.tables->tap_col[kw]];
    }
  });
}

struct Task {
  int64_t n, g, oh, first_tile, last_tile;
};

struct Tables {
  const int64_t* offset;
  const PixelRun* runs;
};

// The tiles of a task, summed over all blocks of channels.
template <class T>
void convolve_band(const Product<T>& p, const Cut<T>& cut, const Task& task, const T* panels,
                   const Tables& tables, T* memory) {
  const auto& kn = kernels<T>();
  const ImageGrid& g = p.grid;
  const int64_t taps = g.KH * g.KW, group_row = task.g * p.M, plane = cut.band * g.OW;
  const int64_t rows = cut.rows_at(task.oh);
  const T* x = p.image + task.n * g.image + task.g * g.channels * g.plane;
  T* y = p.y + (task.n * p.G * p.M + group_row) * p.plane;
  T* results = memory + cut.items();
  for (int64_t b = 0; b < cut.blocks; ++b) {
    const int64_t c = b * cut.block;
    cut.copy(g, x, c, task.oh, memory);
    for (int64_t t = task.first_tile; t < task.last_tile; ++t) {
      const int64_t row = cut.tile_begin(t), m = cut.tile_begin(t + 1) - row;
      DirectArgs<T> d;
      d.K = cut.channels_at(c) * taps, d.w = panels + (group_row + row) * p.K() + c * taps * m;
      d.offset = tables.offset, d.x = memory;
      d.runs = tables.runs, d.n = cut.runs_of(rows);
      d.y = p.in_place() ? y + row * p.plane + task.oh * g.OW : results + row * plane;
      d.plane = p.in_place() ? p.plane : plane;
      d.bias = p.bias && b == 0 ? p.bias + group_row + row : nullptr;
      d.accumulate = b > 0;
      kn.direct(d, int(m));
      if (b == cut.blocks - 1 && p.in_place()) p.ep.apply(m, rows * g.OW, d.y, d.plane);
    }
  }
  if (p.in_place()) return;
  const int64_t row = cut.tile_begin(task.first_tile);
  kn.scatter_pixels(cut.tile_begin(task.last_tile) - row, task.oh * g.OW, rows * g.OW,
                    results + row * plane, plane, g.OW, p.row_step, p.col_step, p.plane,
                    y + row * p.plane);
}

template <class T>
struct Direct {
  static int64_t items(const ConvShape&, const ProductSize& size) {
    if (size.h.pixels == 0 || size.w.pixels == 0) return 0;
    const Cut<T> cut(size);
    return cut.table_items() * 8 / int64_t(sizeof(T)) + cut.weight_items() +
           num_threads() * cut.worker_items();
  }
  static void run(const Product<T>& p, const ProductSize& size, const ConvShape&, T* memory) {
    if (p.pixels() == 0) return;
    const Cut<T> cut(size);
    int64_t* offset = reinterpret_cast<int64_t*>(memory);
    PixelRun* runs = reinterpret_cast<PixelRun*>(offset + cut.block * size.taps());
    cut.set_offsets(p.grid, offset);
    cut.set_runs(0, 0, runs);
    T* panels = reinterpret_cast<T*>(offset + cut.table_items());
    pack_weights(p, cut, panels);
    T* workers = panels + cut.weight_items();
    const int64_t image_tasks = cut.bands * cut.splits;
    parallel_for(
        p.N * p.G * image_tasks, double(p.N) * p.G * p.M * p.pixels() * (p.K() * kMultiplyAdd + 1),
        [&](int64_t t, int worker) {
          const int64_t split = t % cut.splits, band = t / cut.splits % cut.bands;
          const int64_t ng = t / image_tasks;
          const Task task{ng / p.G, ng % p.G, band * cut.band, split * cut.tiles / cut.splits,
                          (split + 1) * cut.tiles / cut.splits};
          convolve_band(p, cut, task, panels, {offset, runs},
                        workers + worker * cut.worker_items());
        });
  }
};

bool applies(const ConvLayer&) { return true; }

}  // namespace

const ConvMethod conv_direct[3] = {
    {applies, forward_workspace<Direct>, run_forward<Direct>},
    {applies, input_workspace<Direct>, run_input<Direct>},
    {applies, direct_weight_workspace, run_direct_weight},
};

}  // namespace nnf
