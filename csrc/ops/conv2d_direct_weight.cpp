// The gradient of the weight straight from the image, see kernels/direct_weight.h.
//
// A task sums a block of the weights over a chunk of the images' bands, one after the other;
// chunks are added in order. How many there are is a matter of shape alone.
#include <algorithm>
#include <type_traits>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/conv2d_band.h"
#include "ops/conv2d_direct.h"

namespace nnf {

namespace {

constexpr int64_t kRuns = 64;      // vectors of pixels whose lanes are added at once, at least
constexpr int64_t kTurned = 192;   // pixels of dy that are turned at once
constexpr int64_t kBlock = 288;    // products of K of a task
constexpr int64_t kOutputs = 128;  // output channels of a task
constexpr int64_t kTasks = 32;     // enough of them for many threads

template <class T>
struct Cut : Bands<T> {
  bool turned;
  int64_t outputs, parts;       // output channels of a task, and parts of them
  int64_t images, units;        // images whose bands are summed at once; such groups
  int64_t chunks, chunk_units;  // runs of units

  // Vector operations for a pixel, both ways: by vectors of pixels, of which the last of a row is
  // not full, loads are the limit where one tile does not hold all taps; turning dy costs a third
  // of an operation for each element.
  static bool turn(const ProductSize& p) {
    const int64_t L = kernels<T>().lanes;
    const double row = double(round_up(p.w.pixels, L)) / p.w.pixels;
    const double each = p.K() <= 9 ? 1 : 1.5;
    return each * row * p.M * p.K() / L > p.K() * ceil_div(p.M, L) + p.M / 3.0;
  }
  static Bands<T> bands_of(const ProductSize& p) {
    const int64_t lanes = kernels<T>().lanes;
    return turn(p) ? Bands<T>(p, kBlock, kTurned, p.w.pixels)
                   : Bands<T>(p, kBlock, kRuns * lanes, lanes);
  }
  Cut(const ConvShape& s, const ProductSize& p) : Bands<T>(bands_of(p)), turned(turn(p)) {
    outputs = turned && p.M > kOutputs ? kOutputs : p.M;
    parts = ceil_div(p.M, outputs);
    images = turned || this->bands > 1 ? 1 : ceil_div(kRuns, this->runs());
    units = ceil_div(s.N, images) * this->bands;
    const int64_t wanted = ceil_div(kTasks, p.G * parts * this->blocks);
    chunk_units = units > 0 ? ceil_div(units, wanted) : 1;
    chunks = units > 0 ? ceil_div(units, chunk_units) : 1;
  }

  int64_t weights() const { return this->p.G * this->p.M * this->p.K(); }
  int64_t partial_items() const { return round_up((chunks - 1) * weights(), 16); }
  int64_t image_runs() const { return images * this->runs(); }
  int64_t table_items() const {
    return round_up(this->block * this->p.taps() + 3 * image_runs(), 8);
  }
  // Of a worker: copies of images; a panel of dy turned, and sums of all panels.
  int64_t panel_items() const {
    return turned ? round_up(this->band * this->p.w.pixels * kernels<T>().nr, 16) : 0;
  }
  int64_t sum_items() const {
    return turned ? round_up(outputs, kernels<T>().nr) * this->block * this->p.taps() : 0;
  }
  int64_t worker_items() const {
    return images * this->items() + panel_items() + round_up(sum_items(), 16);
  }
};

template <class T>
struct Problem {
  const ConvShape& s;
  const Cut<T>& cut;
  ImageGrid grid;
  const T *x, *dy;
  const int64_t* offset;
  const PixelRun* runs;
};

// One block of weights: group, first output and channel, and how many.
struct Block {
  int64_t g, o, outputs, c, K;
};

// dw (rows ld apart) += the sum over bands of `images` images from n on.
template <class T>
void add_pixels(const Problem<T>& p, const Block& b, int64_t n, int64_t images, int64_t oh,
                T* memory, T* dw) {
  const ConvShape& s = p.s;
  const int64_t P = s.OH * s.OW, G = s.G;
  for (int64_t i = 0; i < images; ++i)
    p.cut.copy(p.grid, p.x + ((n + i) * G + b.g) * s.C * p.grid.plane, b.c, oh,
               memory + i * p.cut.items());
  const T* dy = p.dy + ((n * G + b.g) * s.O + b.o) * P + oh * s.OW;
  const int64_t runs = images > 1 ? images * p.cut.runs() : p.cut.runs_of(p.cut.rows_at(oh));
  kernels<T>().direct_weight({memory, p.offset, p.runs, runs, dy, P, dw, s.C * s.taps()}, b.outputs,
                             b.K);
}

// The same of one image by dy turned: into panels of nr channels, one after the other.
template <class T>
void add_turned(const Problem<T>& p, const Block& b, int64_t n, int64_t oh, T* memory, T* panel,
                T* sums) {
  const auto& kn = kernels<T>();
  const ConvShape& s = p.s;
  const int64_t P = s.OH * s.OW, nr = kn.nr, rows = p.cut.rows_at(oh);
  p.cut.copy(p.grid, p.x + (n * s.G + b.g) * s.C * p.grid.plane, b.c, oh, memory);
  const T* dy = p.dy + ((n * s.G + b.g) * s.O + b.o) * P + oh * s.OW;
  for (int64_t o = 0; o < b.outputs; o += nr) {
    const int64_t columns = least(b.outputs - o, nr), ld = round_up(columns, kn.lanes);
    kn.copy_transposed(columns, rows * s.OW, dy + o * P, P, panel, ld, false);
    kn.direct_weight_turned(
        {memory, p.offset, p.runs, p.cut.runs_of(rows), panel, ld, sums + o * b.K, nr},
        int(columns), b.K);
  }
}

template <class T>
void sum_chunk(const Problem<T>& p, const Block& b, int64_t first, int64_t last, T* memory, T* dw) {
  const Cut<T>& cut = p.cut;
  const int64_t ld = p.s.C * p.s.taps(), nr = kernels<T>().nr;
  T* panel = memory + cut.images * cut.items();
  T* sums = panel + cut.panel_items();
  if (cut.turned)
    std::fill_n(sums, cut.sum_items(), T(0));
  else
    for (int64_t o = 0; o < b.outputs; ++o)
      for (int64_t k = 0; k < b.K; ++k) dw[o * ld + k] = 0;
  for (int64_t u = first; u < last; ++u) {
    const int64_t n = u / cut.bands * cut.images, oh = u % cut.bands * cut.band;
    if (cut.turned)
      add_turned(p, b, n, oh, memory, panel, sums);
    else
      add_pixels(p, b, n, p.s.N - n < cut.images ? p.s.N - n : cut.images, oh, memory, dw);
  }
  if (!cut.turned) return;
  for (int64_t o = 0; o < b.outputs; o += nr) {
    const int64_t columns = b.outputs - o < nr ? b.outputs - o : nr;
    kernels<T>().copy_transposed(b.K, columns, sums + o * b.K, nr, dw + o * ld, ld, false);
  }
}

// dw += the sums of all chunks but the first, in order.
template <class T>
void add_chunks(const Cut<T>& cut, const T* partial, T* dw) {
  constexpr int64_t kPiece = 4096;
  const int64_t n = cut.weights();
  const auto add = kernels<T>().map[int(Map::add)];
  parallel_for(ceil_div(n, kPiece), double(cut.chunks) * n, [&](int64_t t, int) {
    const int64_t i = t * kPiece, m = n - i < kPiece ? n - i : kPiece;
    for (int64_t c = 1; c < cut.chunks; ++c) {
      MapArgs<T> a{};
      a.n = m, a.a = a.y = dw + i, a.b = partial + (c - 1) * n + i, a.sa = a.sb = 1;
      add(a);
    }
  });
}

template <class T>
void sum_chunks(const ConvShape& s, const ProductSize& size, const ImageGrid& grid, const T* x,
                const T* dy, T* dw, T* memory) {
  const Cut<T> cut(s, size);
  int64_t* offset = reinterpret_cast<int64_t*>(memory);
  PixelRun* runs = reinterpret_cast<PixelRun*>(offset + cut.block * size.taps());
  cut.set_offsets(grid, offset);
  for (int64_t i = 0; i < cut.images; ++i)
    cut.set_runs(i * cut.items(), i * s.G * s.O * s.OH * s.OW, runs + i * cut.runs());
  T* partial = reinterpret_cast<T*>(offset + cut.table_items());
  T* workers = partial + cut.partial_items();
  const Problem<T> p{s, cut, grid, x, dy, offset, runs};
  const int64_t ld = s.C * s.taps();
  parallel_for(
      cut.chunks * s.G * cut.parts * cut.blocks,
      double(s.N) * s.OH * s.OW * cut.weights() * kMultiplyAdd, [&](int64_t task, int worker) {
        const int64_t c = task % cut.blocks * cut.block;
        const int64_t o = task / cut.blocks % cut.parts * cut.outputs;
        const int64_t cg = task / cut.blocks / cut.parts, g = cg % s.G, chunk = cg / s.G;
        const Block b{g, o, s.O - o < cut.outputs ? s.O - o : cut.outputs, c,
                      cut.channels_at(c) * s.taps()};
        const int64_t first = chunk * cut.chunk_units, last = first + cut.chunk_units;
        T* to = chunk > 0 ? partial + (chunk - 1) * cut.weights() : dw;
        sum_chunk(p, b, first, last < cut.units ? last : cut.units,
                  workers + worker * cut.worker_items(), to + (g * s.O + o) * ld + c * s.taps());
      });
  add_chunks(cut, partial, dw);
}

template <class T>
int64_t bytes(const ConvShape& s) {
  const ProductSize size = forward_size(s);
  const Cut<T> cut(s, size);
  return cut.table_items() * 8 +
         (cut.partial_items() + num_threads() * cut.worker_items()) * int64_t(sizeof(T));
}

}  // namespace

int64_t direct_weight_workspace(const ConvShape& s, DType t) {
  return table_bytes(s) + (t == DType::f64 ? bytes<double>(s) : bytes<float>(s));
}

void run_direct_weight(const ConvShape& s, const OpArgs& args) {
  for_float(args.out[0].dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    const TapTables tables(s, static_cast<int64_t*>(args.workspace));
    sum_chunks(s, forward_size(s), output_grid(s, tables), args.in[1].ptr<T>(), args.in[0].ptr<T>(),
               args.out[0].ptr<T>(), behind_tables<T>(s, args.workspace));
  });
}

}  // namespace nnf
