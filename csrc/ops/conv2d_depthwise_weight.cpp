// The gradient of the weight of depthwise convolutions with square kernels: a task takes a few
// groups through a run of the images and keeps a vector of sums for each of their weights. Runs are
// added in order. How many there are is a matter of shape alone.
#include <algorithm>
#include <type_traits>

#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/conv2d_depthwise.h"

namespace nnf {

namespace {

constexpr int64_t kTasks = 32;  // enough of them for many threads

constexpr int64_t kTask = 8192;  // pixels of a task, at least

struct Cut {
  int64_t groups, parts;         // groups of a task, and parts of them all
  int64_t chunk_images, chunks;  // runs of images
  int64_t weights, sums;         // of a group; elements of sums of a task

  Cut(const ConvShape& s, int64_t lanes) {
    const int64_t pixels = s.N * s.OH * s.OW;
    groups = least(ceil_div(s.G, kTasks), ceil_div(kTask, pixels));
    parts = ceil_div(s.G, groups);
    chunk_images = ceil_div(s.N, ceil_div(kTasks, parts));
    chunks = ceil_div(s.N, chunk_images);
    weights = s.O * s.taps(), sums = groups * weights * lanes;
  }
  int64_t partial_items(int64_t G) const { return round_up((chunks - 1) * G * weights, 16); }
};

template <class T>
void sum_images(const ConvShape& s, const OpArgs& args) {
  const auto& kn = kernels<T>();
  const Cut cut(s, kn.lanes);
  const T* dy = args.in[0].ptr<T>();
  const T* x = args.in[1].ptr<T>();
  T* dw = args.out[0].ptr<T>();
  T* partial = static_cast<T*>(args.workspace);
  T* workers = partial + cut.partial_items(s.G);
  const int64_t pixels = s.OH * s.OW, all = s.G * cut.weights;
  const double work = double(s.N) * pixels * s.G * s.O * (s.taps() * kMultiplyAdd + 1);
  const int64_t items = forward_items<T>(s);
  T* buffers = workers + num_threads() * cut.sums;
  std::fill_n(buffers, num_threads() * items, T(0));
  parallel_for(cut.parts * cut.chunks, work, [&](int64_t task, int worker) {
    PlaneArgs<T> d = forward_plane<T>(s);
    d.memory = buffers + worker * items;
    T* sums = workers + worker * cut.sums;
    const int64_t first = task % cut.parts * cut.groups, chunk = task / cut.parts;
    const int64_t groups = least(cut.groups, s.G - first), n0 = chunk * cut.chunk_images;
    std::fill_n(sums, cut.sums, T(0));
    for (int64_t n = n0; n < least(s.N, n0 + cut.chunk_images); ++n)
      for (int64_t g = 0; g < groups; ++g)
        for (int64_t o = 0; o < s.O; ++o) {
          const int64_t plane = n * s.G + first + g;
          d.x = x + plane * s.H * s.W;
          kn.depthwise_sums(int(s.KH), int(s.at.sh), d, dy + (plane * s.O + o) * pixels,
                            sums + (g * s.O + o) * s.taps() * kn.lanes);
        }
    kn.add_lanes(groups * cut.weights, sums,
                 (chunk > 0 ? partial + (chunk - 1) * all : dw) + first * cut.weights);
  });
  for (int64_t c = 1; c < cut.chunks; ++c)
    kn.map[int(Map::add)]({all, dw, partial + (c - 1) * all, nullptr, 1, 1, 0, dw, {}});
}

template <class T>
int64_t bytes(const ConvShape& s) {
  const Cut cut(s, kernels<T>().lanes);
  return (cut.partial_items(s.G) + num_threads() * (cut.sums + forward_items<T>(s))) *
         int64_t(sizeof(T));
}

}  // namespace

int64_t depthwise_weight_workspace(const ConvShape& s, DType t) {
  if (s.N * s.OH * s.OW == 0) return 0;
  return t == DType::f64 ? bytes<double>(s) : bytes<float>(s);
}

void run_depthwise_weight(const ConvShape& s, const OpArgs& args) {
  for_float(args.out[0].dtype, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    if (s.N * s.OH * s.OW == 0)
      std::fill_n(args.out[0].ptr<T>(), args.out[0].size, T(0));
    else
      sum_images<T>(s, args);
  });
}

}  // namespace nnf
