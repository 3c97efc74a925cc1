// conv2d_weight: the gradient of conv2d with respect to its weight,
//   dw[o, c, i, j] = sum over n, oh, ow of
//     dy[n, o, oh, ow] x[n, c, oh * sh - ph + i * dh, ow * sw - pw + j * dw].
//
// A product dy Xhat^T for each group, see kernels/conv.h; K runs over the pixels of all images,
// in blocks of kKC. Where the result has too few tiles to share among threads, runs of blocks
// are summed apart and added in order. How many runs is a matter of shape alone. Depthwise
// weights are summed channel by channel, over one image after the other.
#include <type_traits>

#include "ops/conv_shape.h"
#include "ops/gemm.h"
#include "ops/registry.h"

namespace nnf {

namespace {

constexpr int64_t kTaskRows = 192, kTaskCols = 256;  // of the result, at least, for one task
constexpr int64_t kTasks = 32;                       // enough of them for many threads

struct Plan {
  int64_t K, blocks, chunks, chunk_blocks;  // blocks of K, runs of them

  explicit Plan(const ConvShape& s) {
    const int64_t tiles = s.G * ceil_div(s.O, kTaskRows) * ceil_div(s.C * s.taps(), kTaskCols);
    K = s.N * s.OH * s.OW;
    blocks = K > kKC ? ceil_div(K, kKC) : 1;
    const int64_t wanted = tiles > 0 ? ceil_div(kTasks, tiles) : 1;
    chunk_blocks = ceil_div(blocks, wanted);
    chunks = ceil_div(blocks, chunk_blocks);
  }
};

ConvShape weight_shape(const OpArgs& args) {
  return conv_shape(args.in[1], args.out[0], args.in[0], args.attributes<Conv2dAttrs>());
}

int64_t result_items(const ConvShape& s) { return round_up(s.G * s.O * s.C * s.taps(), 16); }

template <class T>
struct Tiles {
  int64_t mr = kernels<T>().mr, nr = kernels<T>().nr;
  int64_t rows = round_up(kTaskRows, mr), cols = round_up(kTaskCols, nr);
  int64_t items() const { return (rows + cols) * kKC + 64; }  // panels of one worker
};

template <class T>
int64_t workspace_bytes(const OpArgs& args) {
  const ConvShape s = weight_shape(args);
  const int64_t items = s.depthwise()
                            ? num_threads() * s.padded_items()
                            : Plan(s).chunks * result_items(s) + num_threads() * Tiles<T>().items();
  return round_up(TapTables::items(s) * 8, 64) + items * int64_t(sizeof(T));
}

// Rows [i0, i0 + m) of dy, pixels [q0, q0 + n) of all images, as a panel of A.
template <class T>
void pack_dy(const ConvShape& s, const T* dy, int64_t i0, int64_t m, int64_t q0, int64_t n,
             T* panel) {
  const int64_t P = s.OH * s.OW;
  while (n > 0) {
    const int64_t image = q0 / P, p = q0 % P, run = n < P - p ? n : P - p;
    kernels<T>().pack_a(m, run, dy + (image * s.G * s.O + i0) * P + p, P, 1, T(1), panel);
    panel += run * kernels<T>().mr, q0 += run, n -= run;
  }
}

// One task: rows i0 .. and columns j0 .. of group g, summed over blocks [first, last).
template <class T>
void sum_blocks(const ConvShape& s, const ImageGrid& grid, const T* x, const T* dy, int64_t g,
                int64_t i0, int64_t rows, int64_t j0, int64_t cols, int64_t first, int64_t last,
                int64_t K, T* c, T* a_panels, T* b_panels) {
  const auto& kn = kernels<T>();
  const int64_t mr = kn.mr, nr = kn.nr, ld = s.C * s.taps();
  const T* image = x + g * s.C * grid.plane;
  for (int64_t b = first; b < last; ++b) {
    const int64_t q0 = b * kKC, kc = K - q0 < kKC ? K - q0 : kKC;
    for (int64_t i = 0; i < rows; i += mr)
      pack_dy(s, dy, g * s.O + i0 + i, rows - i < mr ? rows - i : mr, q0, kc, a_panels + i * kc);
    for (int64_t j = 0; j < cols; j += nr)
      kn.pack_pixels_transposed(grid, image, j0 + j, int(cols - j < nr ? cols - j : nr), q0, kc,
                                b_panels + j * kc);
    for (int64_t j = 0; j < cols; j += nr)
      for (int64_t i = 0; i < rows; i += mr)
        kn.gemm_tile(kc, a_panels + i * kc, b_panels + j * kc, c + i * ld + j, ld,
                     int(rows - i < mr ? rows - i : mr), int(cols - j < nr ? cols - j : nr),
                     b > first);
  }
}

// Adds the partial sums in order; columns (tap, channel) become (channel, tap).
template <class T>
void add_chunks(const ConvShape& s, int64_t chunks, T* partial, T* dw) {
  const int64_t width = s.C * s.taps(), items = result_items(s), rows = s.G * s.O;
  const auto add = kernels<T>().map[int(Map::add)];
  parallel_for(rows, double(chunks + 1) * rows * width, [&](int64_t o, int) {
    T* sum = partial + o * width;
    for (int64_t c = 1; c < chunks; ++c)
      add({width, sum, sum + c * items, nullptr, 1, 1, 0, sum, {}});
    for (int64_t c = 0; c < s.C; ++c)
      for (int64_t t = 0; t < s.taps(); ++t) dw[o * width + c * s.taps() + t] = sum[t * s.C + c];
  });
}

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

template <class T>
void sum_products(const ConvShape& s, const ImageGrid& grid, const T* x, const T* dy, T* dw,
                  T* partial) {
  const Plan plan(s);
  const Tiles<T> tiles;
  const int64_t width = s.C * s.taps(), items = result_items(s);
  T* panels = partial + plan.chunks * items;
  const int64_t row_tasks = ceil_div(s.O, tiles.rows), col_tasks = ceil_div(width, tiles.cols);
  const int64_t tasks = plan.chunks * s.G * row_tasks * col_tasks;
  parallel_for(tasks, double(plan.K + 1) * s.G * s.O * width, [&](int64_t task, int worker) {
    const int64_t j0 = task % col_tasks * tiles.cols, cols = width - j0;
    const int64_t i0 = task / col_tasks % row_tasks * tiles.rows, rows = s.O - i0;
    const int64_t cg = task / col_tasks / row_tasks, g = cg % s.G, chunk = cg / s.G;
    const int64_t first = chunk * plan.chunk_blocks, last = first + plan.chunk_blocks;
    T* a_panels = panels + worker * tiles.items();
    sum_blocks(s, grid, x, dy, g, i0, rows < tiles.rows ? rows : tiles.rows, j0,
               cols < tiles.cols ? cols : tiles.cols, first,
               last < plan.blocks ? last : plan.blocks, plan.K,
               partial + chunk * items + (g * s.O + i0) * width + j0, a_panels,
               a_panels + tiles.rows * kKC);
  });
  add_chunks(s, plan.chunks, partial, dw);
}

template <class T>
void run_weight(const OpArgs& args) {
  const ConvShape s = weight_shape(args);
  const TapTables tables(s, static_cast<int64_t*>(args.workspace));
  T* memory = reinterpret_cast<T*>(static_cast<char*>(args.workspace) +
                                   round_up(TapTables::items(s) * 8, 64));
  const auto run = s.depthwise() ? sum_planes<T> : sum_products<T>;
  run(s, output_grid(s, tables), args.in[1].ptr<T>(), args.in[0].ptr<T>(), args.out[0].ptr<T>(),
      memory);
}

}  // namespace

namespace ops {

int64_t conv2d_weight_workspace(const OpArgs& args) {
  return args.out[0].dtype == DType::f64 ? workspace_bytes<double>(args)
                                         : workspace_bytes<float>(args);
}

void conv2d_weight(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_float(args.out[0].dtype,
            [&](auto* t) { run_weight<std::remove_pointer_t<decltype(t)>>(args); });
}

}  // namespace ops

}  // namespace nnf
