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

constexpr int64_t kRuns = 128;     // vectors of pixels whose lanes are added at once, about
constexpr int64_t kTurned = 192;   // pixels of dy that are turned at once
constexpr int64_t kBlock = 288;    // products of K of a task
constexpr int64_t kOutputs = 128;  // output channels of a task
constexpr int64_t kTasks = 32;     // enough of them for many threads
constexpr int64_t kParts = 4;      // of an image by pairs of rows

enum class Way { pixels, pairs, turned };

// The cheapest way, and what it costs in vector operations for a pixel, as measured: by vectors of
// pixels, of which the last of a row is loaded with a mask if it is not full, loads count too; dy
// is turned element by element.
struct Choice {
  Way way;
  double work;

  Choice(const ProductSize& p, int64_t L) {
    constexpr int64_t kSome = 4;  // output channels for which making pairs pays
    const bool three = p.h.taps == 3 && p.h.last - p.h.first == 2 && p.sh == 1 && p.sw == 1;
    const bool pairs = three && p.h.pixels > 1 && p.M > kSome;
    const int64_t full = p.w.pixels / L, part = p.w.pixels % L > 0;
    const double row = pairs ? 0.8 * full + 1.4 * part : 1.1 * full + 1.9 * part;
    const double turned = 1.4 * p.K() * ceil_div(p.M, L) + 1.3 * p.M;
    way = pairs ? Way::pairs : Way::pixels, work = row / p.w.pixels * p.M * p.K();
    if (turned < work) way = Way::turned, work = turned;
  }
};

template <class T>
struct Cut : Bands<T> {
  Way way;
  int64_t outputs, parts;       // output channels of a task, and parts of them
  int64_t images, units;        // images whose bands are summed at once; such groups
  int64_t chunks, chunk_units;  // runs of units

  static Bands<T> bands_of(const ProductSize& p, Way way) {
    const int64_t lanes = kernels<T>().lanes, pixels = kRuns * lanes;
    if (way == Way::turned) return Bands<T>(p, kBlock, kTurned, p.w.pixels);
    return way == Way::pairs ? Bands<T>(p, kBlock, 2 * pixels, lanes, lanes, 2)
                             : Bands<T>(p, kBlock, pixels, lanes, lanes);
  }
  Cut(const ConvShape& s, const ProductSize& p) : Cut(s, p, Choice(p, kernels<T>().lanes).way) {}
  Cut(const ConvShape& s, const ProductSize& p, Way way) : Bands<T>(bands_of(p, way)), way(way) {
    outputs = turned() && p.M > kOutputs ? kOutputs : p.M;
    parts = ceil_div(p.M, outputs);
    const int64_t wanted = ceil_div(kTasks, p.G * parts * this->blocks);
    const int64_t fitting = ceil_div(paired() ? 2 * kRuns : kRuns, this->runs());
    images = turned() || this->bands > 1 ? 1 : most(1, least(fitting, 2 * s.N / wanted));
    units = ceil_div(s.N, images) * this->bands;
    chunk_units = units > 0 ? ceil_div(units, wanted) : 1;
    chunks = units > 0 ? ceil_div(units, chunk_units) : 1;
  }

  bool turned() const { return way == Way::turned; }
  bool paired() const { return way == Way::pairs; }
  int64_t weights() const { return this->p.G * this->p.M * this->p.K(); }
  int64_t partial_items() const { return round_up((chunks - 1) * weights(), 16); }
  int64_t row_runs() const { return this->runs_of(1); }
  int64_t table_items() const {
    return round_up(this->block * this->p.taps() + 3 * images * (this->runs() + row_runs()), 8);
  }

  // Elements of a part of an image by pairs of rows, and of a channel of it.
  int64_t part_plane() const {
    const int64_t plane = this->band / 2 * this->ld, lanes = kernels<T>().lanes;
    return plane * int64_t(sizeof(T)) % 1024 == 0 ? plane + lanes : plane;
  }
  int64_t part_items() const {
    return round_up(this->block * part_plane() + kernels<T>().lanes, 16);
  }
  // The place of what taps of a row see, and runs of `count` pairs of rows from the first on.
  void set_pair_offsets(const ImageGrid& g, int64_t* offset) const {
    for (int64_t c = 0; c < this->block; ++c)
      for (int64_t j = 0; j < g.KW; ++j) *offset++ = c * part_plane() + g.col[j] - this->p.w.first;
  }
  void set_pair_runs(int64_t first, int64_t count, int64_t image, PixelRun* to) const {
    const int64_t OW = this->p.w.pixels;
    for (int64_t i = 0; i < images; ++i)
      for (int64_t t = first; t < first + count; ++t)
        for (int64_t ow = 0; ow < OW; ow += this->run)
          *to++ = {i * kParts * part_items() + t * this->ld + ow, i * image + 2 * t * OW + ow,
                   least(OW - ow, this->run)};
  }

  // Of a worker: copies of images; their parts, or a panel of dy turned; sums of pairs or panels.
  int64_t copy_items() const { return (paired() ? 1 : images) * this->items(); }
  int64_t panel_items() const {
    if (paired()) return images * kParts * part_items();
    return turned() ? round_up(this->band * this->p.w.pixels * kernels<T>().nr, 16) : 0;
  }
  int64_t sum_items() const {
    const int64_t K = this->block * this->p.taps();
    if (paired()) return outputs * K / 3 * kParts;
    return turned() ? round_up(outputs, kernels<T>().nr) * K : 0;
  }
  int64_t worker_items() const { return copy_items() + panel_items() + round_up(sum_items(), 16); }
};

template <class T>
struct Problem {
  const ConvShape& s;
  const Cut<T>& cut;
  ImageGrid grid;
  const T *x, *dy;
  const int64_t* offset;
  const PixelRun *runs, *odd;  // odd: of a last row that has no second one
};

// One block of weights: group, first output and channel, and how many.
struct Block {
  int64_t g, o, outputs, c, K;
};
// Bands of some images.
struct Unit {
  int64_t n, images, oh;
  int64_t ahead;  // to dy of the next one
};
template <class T>
struct Memory {
  T *copy, *panel, *sums;
};

template <class T>
void copy_band(const Problem<T>& p, const Block& b, int64_t n, int64_t oh, T* to) {
  p.cut.copy(p.grid, p.x + (n * p.s.G + b.g) * p.s.C * p.grid.plane, b.c, oh, to);
}
template <class T>
const T* dy_of(const Problem<T>& p, const Block& b, const Unit& u) {
  return p.dy + ((u.n * p.s.G + b.g) * p.s.O + b.o) * p.s.OH * p.s.OW + u.oh * p.s.OW;
}
template <class T>
Unit unit_of(const Problem<T>& p, int64_t i) {
  const Cut<T>& cut = p.cut;
  const int64_t n = i / cut.bands * cut.images, oh = i % cut.bands * cut.band, OW = p.s.OW;
  const int64_t image = p.s.G * p.s.O * p.s.OH * OW;
  const bool last = (i + 1) % cut.bands == 0;
  return {n, least(p.s.N - n, cut.images), oh, last ? cut.images * image - oh * OW : cut.band * OW};
}

// dw (rows ld apart) += the sum over bands of images.
template <class T>
void add_pixels(const Problem<T>& p, const Block& b, const Unit& u, T* copy, T* dw) {
  const ConvShape& s = p.s;
  for (int64_t i = 0; i < u.images; ++i) copy_band(p, b, u.n + i, u.oh, copy + i * p.cut.items());
  const int64_t runs = u.images * p.cut.runs_of(p.cut.rows_at(u.oh));
  const WeightArgs<T> d{copy,        p.offset, p.runs,  runs, dy_of(p, b, u),
                        s.OH * s.OW, s.OW,     u.ahead, dw,   s.C * s.taps()};
  kernels<T>().direct_weight(d, b.outputs, b.K);
}

// The same by pairs of rows, to four sums for each column of taps.
template <class T>
void add_pairs(const Problem<T>& p, const Block& b, const Unit& u, const Memory<T>& m) {
  const ConvShape& s = p.s;
  const Cut<T>& cut = p.cut;
  const int64_t rows = cut.rows_at(u.oh), K = b.K / 3;
  const PairArgs parts{K / s.KW, rows, cut.ld, cut.plane, cut.part_plane(), cut.part_items()};
  for (int64_t i = 0; i < u.images; ++i) {
    copy_band(p, b, u.n + i, u.oh, m.copy);
    kernels<T>().pair_rows(parts, m.copy, m.panel + i * kParts * cut.part_items());
  }
  const int64_t runs = u.images * cut.row_runs();
  const WeightArgs<T> d{m.panel, p.offset, p.runs, runs * (rows / 2), dy_of(p, b, u), s.OH * s.OW,
                        s.OW,    u.ahead,  m.sums, kParts * K};
  kernels<T>().direct_weight_pairs({d, cut.part_items(), p.odd, rows % 2 * runs}, b.outputs, K);
}

// Each column of taps of its four sums.
template <class T>
void store_pairs(const ConvShape& s, const Block& b, const T* sums, T* dw) {
  const int64_t K = b.K / 3;
  for (int64_t o = 0; o < b.outputs; ++o, sums += kParts * K, dw += s.C * s.taps())
    for (int64_t k = 0; k < K; ++k) {
      T* to = dw + k / s.KW * s.taps() + k % s.KW;
      const T sum = sums[K + k] / 2, difference = sums[2 * K + k] / 2;
      to[0] = sums[k] + (sum + difference);
      to[s.KW] = sum - difference;
      to[2 * s.KW] = (sum + difference) + sums[3 * K + k];
    }
}

// The same of one image by dy turned: into panels of nr channels, one after the other.
template <class T>
void add_turned(const Problem<T>& p, const Block& b, const Unit& u, const Memory<T>& m) {
  const auto& kn = kernels<T>();
  const ConvShape& s = p.s;
  const int64_t P = s.OH * s.OW, nr = kn.nr, rows = p.cut.rows_at(u.oh);
  copy_band(p, b, u.n, u.oh, m.copy);
  const T* dy = dy_of(p, b, u);
  for (int64_t o = 0; o < b.outputs; o += nr) {
    const int64_t columns = least(b.outputs - o, nr), ld = round_up(columns, kn.lanes);
    kn.copy_transposed(columns, rows * s.OW, dy + o * P, P, m.panel, ld, false);
    kn.direct_weight_turned(
        {m.copy, p.offset, p.runs, p.cut.runs_of(rows), m.panel, ld, 0, 0, m.sums + o * b.K, nr},
        int(columns), b.K);
  }
}

template <class T>
void sum_chunk(const Problem<T>& p, const Block& b, int64_t first, int64_t last, T* memory, T* dw) {
  const Cut<T>& cut = p.cut;
  const int64_t ld = p.s.C * p.s.taps(), nr = kernels<T>().nr;
  T* panel = memory + cut.copy_items();
  const Memory<T> m{memory, panel, panel + cut.panel_items()};
  std::fill_n(m.sums, cut.sum_items(), T(0));
  if (cut.way == Way::pixels)
    for (int64_t o = 0; o < b.outputs; ++o) std::fill_n(dw + o * ld, b.K, T(0));
  for (int64_t i = first; i < last; ++i) {
    const Unit u = unit_of(p, i);
    if (cut.turned())
      add_turned(p, b, u, m);
    else if (cut.paired())
      add_pairs(p, b, u, m);
    else
      add_pixels(p, b, u, m.copy, dw);
  }
  if (cut.paired()) store_pairs(p.s, b, m.sums, dw);
  if (!cut.turned()) return;
  for (int64_t o = 0; o < b.outputs; o += nr) {
    const int64_t columns = least(b.outputs - o, nr);
    kernels<T>().copy_transposed(b.K, columns, m.sums + o * b.K, nr, dw + o * ld, ld, false);
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
  PixelRun* odd = runs + cut.images * cut.runs();
  const int64_t image = s.G * s.O * s.OH * s.OW, last = cut.rows_at((cut.bands - 1) * cut.band);
  if (cut.paired()) {
    cut.set_pair_offsets(grid, offset);
    cut.set_pair_runs(0, cut.rows_at(0) / 2, image, runs);
    if (last % 2 != 0) cut.set_pair_runs(last / 2, 1, image, odd);
  } else {
    cut.set_offsets(grid, offset);
    for (int64_t i = 0; i < cut.images; ++i)
      cut.set_runs(i * cut.items(), i * image, runs + i * cut.runs());
  }
  T* partial = reinterpret_cast<T*>(offset + cut.table_items());
  T* workers = partial + cut.partial_items();
  const Problem<T> p{s, cut, grid, x, dy, offset, runs, odd};
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

double direct_weight_work(const ConvShape& s) {
  constexpr int64_t kLanes = 16;   // of float32 with AVX-512: the choice is the same on every ISA
  constexpr double kCopied = 1.5;  // of an element of x
  if (s.OH * s.OW == 0) return 0;
  const double copies = kCopied * s.C * s.H * s.W / double(s.OH * s.OW);
  return Choice(forward_size(s), kLanes).work + copies;
}

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
