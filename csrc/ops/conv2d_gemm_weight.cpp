// The gradient of the weight as a product dy Xhat^T for each group, see kernels/conv.h; K runs over
// the pixels of all images, in blocks of kKC. Where the result has too few tiles to share among
// threads, runs of blocks are summed apart and added in order. How many runs is a matter of shape
// alone.
#include "ops/conv2d_gemm_weight.h"

#include <type_traits>

#include "ops/conv2d_product.h"
#include "ops/gemm.h"

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

int64_t result_items(const ConvShape& s) { return round_up(s.G * s.O * s.C * s.taps(), 16); }

template <class T>
struct Tiles {
  int64_t mr = kernels<T>().mr, nr = kernels<T>().nr;
  int64_t rows = round_up(kTaskRows, mr), cols = round_up(kTaskCols, nr);
  int64_t items() const { return (rows + cols) * kKC + 64; }  // panels of one worker
};

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

// Columns [j0, j0 + n) of Xhat^T, pixels [q0, q0 + k) of all images, as panels of B; image: x of
// the group.
template <class T>
void pack_x(const ConvShape& s, const ImageGrid& grid, const T* image, int64_t j0, int64_t n,
            int64_t q0, int64_t k, T* panels) {
  const auto& kn = kernels<T>();
  const int64_t P = s.OH * s.OW;
  for (int64_t j = 0; j < n; j += kn.nr) {
    const int64_t columns = least(n - j, kn.nr);
    T* panel = panels + j * k;
    if (!is_pointwise(s)) {
      kn.pack_pixels_transposed(grid, image, j0 + j, int(columns), q0, k, panel);
      continue;
    }
    for (int64_t q = q0; q < q0 + k;) {
      const int64_t p = q % P, run = least(q0 + k - q, P - p);
      kn.pack_b(run, columns, image + q / P * grid.image + (j0 + j) * P + p, 1, P, panel);
      panel += run * kn.nr, q += run;
    }
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
    pack_x(s, grid, image, j0, cols, q0, kc, b_panels);
    for (int64_t j = 0; j < cols; j += nr)
      for (int64_t i = 0; i < rows; i += mr)
        kn.gemm_tile(kc, a_panels + i * kc, b_panels + j * kc, c + i * ld + j, ld,
                     int(rows - i < mr ? rows - i : mr), int(cols - j < nr ? cols - j : nr),
                     b > first, nullptr);
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
void sum_products(const ConvShape& s, const ImageGrid& grid, const T* x, const T* dy, T* dw,
                  T* partial) {
  const Plan plan(s);
  const Tiles<T> tiles;
  const int64_t width = s.C * s.taps(), items = result_items(s);
  T* panels = partial + plan.chunks * items;
  const int64_t row_tasks = ceil_div(s.O, tiles.rows), col_tasks = ceil_div(width, tiles.cols);
  const int64_t tasks = plan.chunks * s.G * row_tasks * col_tasks;
  parallel_for(tasks, double(plan.K + 1) * s.G * s.O * width * kMultiplyAdd,
               [&](int64_t task, int worker) {
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
int64_t items(const ConvShape& s) {
  return Plan(s).chunks * result_items(s) + num_threads() * Tiles<T>().items();
}

}  // namespace

int64_t gemm_weight_workspace(const ConvShape& s, DType t) {
  return table_bytes(s) + (t == DType::f64 ? items<double>(s) * 8 : items<float>(s) * 4);
}

void run_gemm_weight(const ConvShape& s, const OpArgs& args) {
  for_float(args.out[0].dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    const TapTables tables(s, static_cast<int64_t*>(args.workspace));
    sum_products(s, output_grid(s, tables), args.in[1].ptr<T>(), args.in[0].ptr<T>(),
                 args.out[0].ptr<T>(), behind_tables<T>(s, args.workspace));
  });
}

}  // namespace nnf
