// Work on the planes (images of one channel) of a tensor, one by one.
#pragma once

#include <cstring>

#include "base/parallel.h"
#include "base/view.h"

namespace nnf {

constexpr int64_t kPlaneTask = 8192;  // elements that a task covers, at least

// f(plane, worker) for each plane, in parallel; work: that of one plane.
template <class F>
void for_planes(int64_t planes, int64_t plane_size, double work, F&& f) {
  const int64_t step = plane_size < kPlaneTask ? kPlaneTask / plane_size : 1;
  parallel_for(ceil_div(planes, step), planes * work, [&](int64_t task, int worker) {
    const int64_t end = (task + 1) * step < planes ? (task + 1) * step : planes;
    for (int64_t p = task * step; p < end; ++p) f(p, worker);
  });
}

// A plane whose rows have `left` and `right` more columns before and behind, so that windows may
// reach over the edge. Without any it is the plane itself, else a copy.
struct PaddedPlane {
  int64_t H, W, left, right, ld;

  PaddedPlane(int64_t H, int64_t W, int64_t left, int64_t right)
      : H(H), W(W), left(left > 0 ? left : 0), right(right > 0 ? right : 0) {
    ld = this->left + W + this->right;
  }
  bool copied() const { return ld > W; }
  int64_t items() const { return copied() ? round_up(H * ld, 16) : 0; }

  // Its first element that is not padding; `memory` holds the copy.
  template <class T>
  const T* fill(const T* x, T padding, T* memory) const {
    if (!copied()) return x;
    T* row = memory;
    for (int64_t h = 0; h < H; ++h, row += ld, x += W) {
      for (int64_t w = 0; w < left; ++w) row[w] = padding;
      std::memcpy(row + left, x, size_t(W) * sizeof(T));
      for (int64_t w = left + W; w < ld; ++w) row[w] = padding;
    }
    return memory + left;
  }
};

}  // namespace nnf
