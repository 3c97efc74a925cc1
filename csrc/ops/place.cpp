// y = 0 but for the elements of x, which stand where a basic index takes them from.
#include <cstring>

#include "ops/attrs.h"
#include "ops/registry.h"
#include "ops/strided.h"

namespace nnf {

namespace {

template <class T>
void write(const Walk& w, const T* x, T* y) {
  const int last = w.ndim - 1;
  const int64_t sx = w.stride[0][last], sy = w.stride[1][last];
  const int64_t rx = last ? w.stride[0][last - 1] : 0, ry = last ? w.stride[1][last - 1] : 0;
  for_rows(w, 1, [&](int64_t rows, int64_t n, const int64_t* at, int64_t) {
    for (int64_t r = 0; r < rows; ++r) {
      const T* from = x + at[0] + r * rx;
      T* to = y + at[1] + r * ry;
      if (sx == 1 && sy == 1) {
        std::memcpy(to, from, size_t(n) * sizeof(T));
      } else {
        for (int64_t i = 0; i < n; ++i) to[i * sy] = from[i * sx];
      }
    }
  });
}

}  // namespace

namespace ops {

void place(const OpArgs& args) {
  const View &x = args.in[0], &y = args.out[0];
  const PlaceAttrs& attrs = args.attributes<PlaceAttrs>();
  std::memset(y.data, 0, size_t(y.size * item_size(y.dtype)));
  View views[2] = {x, x};
  for (int d = 0; d < x.ndim; ++d) views[1].stride[d] = attrs.stride[d];
  const Walk w = make_walk(x, views, 2);
  switch (item_size(y.dtype)) {
    case 1:
      return write(w, x.ptr<uint8_t>(), y.ptr<uint8_t>() + attrs.offset);
    case 4:
      return write(w, x.ptr<float>(), y.ptr<float>() + attrs.offset);
    default:
      return write(w, x.ptr<double>(), y.ptr<double>() + attrs.offset);
  }
}

}  // namespace ops

}  // namespace nnf
