// y = the sum of what `place` makes of each input: the gradient of a tensor that was cut up. A plan
// makes such calls (nnfast/graph/places.py).
#include <cstring>
#include <type_traits>

#include "kernels/table.h"
#include "ops/attrs.h"
#include "ops/registry.h"
#include "ops/strided.h"

namespace nnf {

namespace {

constexpr int64_t kZeroBlock = 1 << 16;  // bytes

void zero(const View& y) {
  const int64_t bytes = y.size * item_size(y.dtype);
  parallel_for(ceil_div(bytes, kZeroBlock), double(y.size) / 4, [&](int64_t i, int) {
    const int64_t left = bytes - i * kZeroBlock;
    std::memset(static_cast<char*>(y.data) + i * kZeroBlock, 0,
                size_t(left < kZeroBlock ? left : kZeroBlock));
  });
}

// y += x where `at` says. 0 + x is x, but for -0: as in the sum of several tensors.
template <class T>
void add(const View& x, const PlaceAttrs& at, T* y) {
  View views[2] = {x, x};
  for (int d = 0; d < x.ndim; ++d) views[1].stride[d] = at.stride[d];
  const Walk w = make_walk(x, views, 2);
  const int last = w.ndim - 1;
  const int64_t sx = w.stride[0][last], sy = w.stride[1][last];
  const int64_t rx = last ? w.stride[0][last - 1] : 0, ry = last ? w.stride[1][last - 1] : 0;
  for_rows(w, 1, [&](int64_t rows, int64_t n, const int64_t* offset, int64_t) {
    const T* from = x.ptr<T>() + offset[0];
    T* to = y + at.offset + offset[1];
    if (sy == 1 && (sx == 1 || sx == 0)) {
      MapArgs<T> g{n, to, from, nullptr, 1, int(sx), 0, to, {}};
      g.rows = rows, g.ra = ry, g.rb = rx, g.ry = ry;
      return kernels<T>().map[int(Map::add)](g);
    }
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < n; ++i) to[r * ry + i * sy] += from[r * rx + i * sx];
  });
}

}  // namespace

namespace ops {

void places(const OpArgs& args) {
  const View& y = args.out[0];
  const PlacesAttrs& attrs = args.attributes<PlacesAttrs>();
  zero(y);
  for_float(y.dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    for (int i = 0; i < args.n_in; ++i) add(args.in[i], attrs.at[i], y.ptr<T>());
  });
}

}  // namespace ops

}  // namespace nnf
