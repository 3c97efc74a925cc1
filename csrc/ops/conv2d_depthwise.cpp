// Convolutions of groups of one channel in, plane by plane: a few rows of a matrix product would be
// slower. Square kernels read the image where it lies (kernels/depthwise.h); for others bands of
// it are copied with their border (kernels/direct.h).
#include "ops/conv2d_depthwise.h"

#include <algorithm>
#include <type_traits>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/conv2d_band.h"
#include "ops/planes.h"

namespace nnf {

namespace {

constexpr int64_t kMaxOutputs = 4;  // channels of a group; the direct way computes more at once
constexpr int64_t kBand = 3072;     // pixels of a band that is copied, about: L1
constexpr int64_t kMaxTaps = 49;

bool applies(const ConvLayer& s) { return s.C == 1 && s.O <= kMaxOutputs; }

// Buffers of all workers, zero.
template <class T>
T* zero_buffers(int64_t items, void* workspace) {
  T* memory = static_cast<T*>(workspace);
  std::fill_n(memory, num_threads() * items, T(0));
  return memory;
}

template <class T>
void forward_square(const ConvShape& s, const OpArgs& args) {
  const T *x = args.in[0].ptr<T>(), *w = args.in[1].ptr<T>(), *bias = bias_of<T>(args);
  T* y = args.out[0].ptr<T>();
  const ConvEpilogue<T> ep(args);
  const int64_t items = forward_items<T>(s), pixels = s.OH * s.OW;
  T* buffers = zero_buffers<T>(items, args.workspace);
  const double work = double(pixels) * s.O * (s.taps() * kMultiplyAdd + 1);
  for_planes(s.N * s.G, pixels * s.O, work, [&](int64_t plane, int worker) {
    PlaneArgs<T> d = forward_plane<T>(s);
    d.x = x + plane * s.H * s.W, d.memory = buffers + worker * items;
    for (int64_t o = 0; o < s.O; ++o) {
      const int64_t row = plane % s.G * s.O + o;
      T* to = y + (plane * s.O + o) * pixels;
      kernels<T>().depthwise(int(s.KH), int(s.at.sh), d, w + row * s.taps(),
                             bias ? bias[row] : T(0), false, to);
      ep.apply(1, pixels, to, pixels);
    }
  });
}

// With stride 1 a convolution of dy with the kernel turned by half a turn.
template <class T>
void gradient_square(const ConvShape& s, const OpArgs& args) {
  const T *dy = args.in[0].ptr<T>(), *w = args.in[1].ptr<T>();
  T* dx = args.out[0].ptr<T>();
  const int64_t items = gradient_items<T>(s), taps = s.taps(), pixels = s.H * s.W;
  T* buffers = zero_buffers<T>(items, args.workspace);
  const double work = double(pixels) * s.O * (taps * kMultiplyAdd + 1);
  for_planes(s.N * s.G, pixels * s.O, work, [&](int64_t plane, int worker) {
    PlaneArgs<T> d = gradient_plane<T>(s);
    d.memory = buffers + worker * items;
    for (int64_t o = 0; o < s.O; ++o) {
      d.x = dy + (plane * s.O + o) * s.OH * s.OW;
      const T* first = w + (plane % s.G * s.O + o) * taps;
      if (s.at.sh == 2) {
        kernels<T>().depthwise_spread(int(s.KH), d, first, o > 0, dx + plane * pixels);
        continue;
      }
      T turned[kMaxTaps];
      std::reverse_copy(first, first + taps, turned);
      kernels<T>().depthwise(int(s.KH), 1, d, turned, T(0), o > 0, dx + plane * pixels);
    }
  });
}

// Any kernel, in bands.
template <class T>
struct Cut : Bands<T> {
  explicit Cut(const ProductSize& p) : Bands<T>(p, p.K(), kBand, kernels<T>().lanes) {}
  int64_t table_items() const {
    return round_up(this->block * this->p.taps() + 3 * this->runs(), 8);
  }
  int64_t weight_items() const { return round_up(this->p.taps(), 16); }
  int64_t result_items() const {
    return round_up(this->band * this->p.w.pixels + kernels<T>().lanes, 16);
  }
  int64_t worker_items() const { return this->items() + weight_items() + result_items(); }
};

template <class T>
void run_plane(const Product<T>& p, const Cut<T>& cut, int64_t plane, const int64_t* offset,
               const PixelRun* runs, T* memory) {
  const ImageGrid& g = p.grid;
  T* weights = memory + cut.items();
  T* results = weights + cut.weight_items();
  for (int64_t oh = 0; oh < g.OH; oh += cut.band) {
    cut.copy(g, p.image + plane * g.channels * g.plane, 0, oh, memory);
    for (int64_t m = 0; m < p.M; ++m) {
      const int64_t row = plane % p.G * p.M + m, pixels = cut.rows_at(oh) * g.OW;
      T* y = p.y + (plane * p.M + m) * p.plane;
      DirectArgs<T> d;
      d.K = g.KH * g.KW, d.w = weights, d.offset = offset, d.runs = runs;
      d.n = cut.runs_of(cut.rows_at(oh)), d.plane = 0;
      d.y = p.in_place() ? y + oh * g.OW : results;
      for (int64_t c = 0; c < g.channels; ++c) {
        const T* w = p.w + plane % p.G * p.w_group + m * p.w_row + c * p.w_channel;
        T* next = weights;
        for (int64_t i = 0; i < g.KH; ++i)
          for (int64_t j = 0; j < g.KW; ++j)
            *next++ = w[p.tables->tap_row[i] * p.w_width + p.tables->tap_col[j]];
        d.x = memory + c * cut.plane;
        d.bias = p.bias && c == 0 ? p.bias + row : nullptr, d.accumulate = c > 0;
        kernels<T>().direct(d, 1);
      }
      if (p.in_place())
        p.ep.apply(1, pixels, d.y, p.plane);
      else
        kernels<T>().scatter_pixels(1, oh * g.OW, pixels, results, 0, g.OW, p.row_step, p.col_step,
                                    p.plane, y);
    }
  }
}

template <class T>
struct Depthwise {
  static int64_t items(const ConvShape&, const ProductSize& size) {
    if (size.h.pixels == 0 || size.w.pixels == 0) return 0;
    const Cut<T> cut(size);
    return cut.table_items() * 8 / int64_t(sizeof(T)) + num_threads() * cut.worker_items();
  }
  static void run(const Product<T>& p, const ProductSize& size, const ConvShape&, T* memory) {
    if (p.pixels() == 0) return;
    const Cut<T> cut(size);
    int64_t* offset = reinterpret_cast<int64_t*>(memory);
    PixelRun* runs = reinterpret_cast<PixelRun*>(offset + cut.block * size.taps());
    cut.set_offsets(p.grid, offset);
    cut.set_runs(0, 0, runs);
    T* workers = reinterpret_cast<T*>(offset + cut.table_items());
    const double work = double(p.pixels()) * p.M * (p.K() * kMultiplyAdd + 1);
    for_planes(p.N * p.G, p.pixels() * p.M, work, [&](int64_t plane, int worker) {
      run_plane(p, cut, plane, offset, runs, workers + worker * cut.worker_items());
    });
  }
};

int64_t forward_bytes(const ConvShape& s, DType t) {
  if (!is_square(s)) return forward_workspace<Depthwise>(s, t);
  return num_threads() *
         (t == DType::f64 ? forward_items<double>(s) * 8 : forward_items<float>(s) * 4);
}

void forward(const ConvShape& s, const OpArgs& args) {
  if (!is_square(s)) return run_forward<Depthwise>(s, args);
  for_float(args.out[0].dtype,
            [&](auto* t) { forward_square<std::remove_pointer_t<decltype(t)>>(s, args); });
}

int64_t gradient_bytes(const ConvShape& s, DType t) {
  if (!is_square(s)) return input_workspace<Depthwise>(s, t);
  return num_threads() *
         (t == DType::f64 ? gradient_items<double>(s) * 8 : gradient_items<float>(s) * 4);
}

void gradient(const ConvShape& s, const OpArgs& args) {
  if (!is_square(s)) return run_input<Depthwise>(s, args);
  for_float(args.out[0].dtype,
            [&](auto* t) { gradient_square<std::remove_pointer_t<decltype(t)>>(s, args); });
}

bool weight_applies(const ConvLayer& s) { return applies(s) && is_square(s); }

}  // namespace

const ConvMethod conv_depthwise[3] = {
    {applies, forward_bytes, forward},
    {applies, gradient_bytes, gradient},
    {weight_applies, depthwise_weight_workspace, run_depthwise_weight},
};

}  // namespace nnf
