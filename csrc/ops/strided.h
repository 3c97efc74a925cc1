// Broadcasting: brings inputs and a contiguous output to as few common dimensions as
// possible, then walks them in blocks of rows.
#pragma once

#include "base/parallel.h"
#include "base/view.h"

namespace nnf {

constexpr int kMaxWalk = 12;  // inputs

// Elements a task covers. Fixed: the cut into tasks may not depend on the threads.
constexpr int64_t kWalkBlock = 16384;

struct Walk {
  int ndim = 0;  // the last is the inner one
  int n_in = 0;
  int64_t shape[kMaxDims];
  int64_t stride[kMaxWalk][kMaxDims];  // of each input; 0 where it is broadcast
  int64_t inner = 1, outer = 1;
  int64_t width = kWalkBlock;  // of a block, at most
};

// The common iteration space of the inputs broadcast to `out`.
inline Walk make_walk(const View& out, const View* in, int n_in) {
  Walk w;
  w.n_in = n_in;
  for (int d = 0; d < out.ndim; ++d) {
    if (out.shape[d] == 1) continue;
    int64_t s[kMaxWalk];
    for (int k = 0; k < n_in; ++k) {
      int e = d - (out.ndim - in[k].ndim);  // dimension of the input, aligned right
      s[k] = e < 0 || in[k].shape[e] == 1 ? 0 : in[k].stride[e];
    }
    // Joins the previous dimension if one step there is a whole run here, for every input.
    bool joins = w.ndim > 0;
    for (int k = 0; k < n_in && joins; ++k) joins = w.stride[k][w.ndim - 1] == s[k] * out.shape[d];
    if (!joins) w.shape[w.ndim++] = 1;
    w.shape[w.ndim - 1] *= out.shape[d];
    for (int k = 0; k < n_in; ++k) w.stride[k][w.ndim - 1] = s[k];
  }
  if (w.ndim == 0) {
    w.ndim = 1, w.shape[0] = out.size ? 1 : 0;
    for (int k = 0; k < n_in; ++k) w.stride[k][0] = 0;
  }
  w.inner = w.shape[w.ndim - 1];
  for (int d = 0; d < w.ndim - 1; ++d) w.outer *= w.shape[d];
  return w;
}

// Offsets of each input at the start of outer row r.
inline void walk_offsets(const Walk& w, int64_t r, int64_t* offset) {
  for (int k = 0; k < w.n_in; ++k) offset[k] = 0;
  for (int d = w.ndim - 2; d >= 0; --d) {
    const auto [rest, i] = divide(r, w.shape[d]);
    r = rest;
    for (int k = 0; k < w.n_in; ++k) offset[k] += i * w.stride[k][d];
  }
}

// Calls f(rows, n, offsets of the inputs, offset of the output), in parallel, for blocks of about
// kWalkBlock elements at most: rows of n elements of the inner dimension, the rows one behind the
// other along the dimension before it. cost: work per element.
template <class F>
void for_rows(const Walk& w, double cost, F&& f) {
  const int64_t total = w.outer * w.inner;
  if (total == 0) return;
  const int64_t blocks = ceil_div(w.inner, w.width);
  const int64_t step = kWalkBlock / least(w.inner, w.width);  // rows of a task
  const int64_t run = w.ndim > 1 ? w.shape[w.ndim - 2] : 1;
  const int64_t tasks = ceil_div(w.outer, step) * blocks;
  parallel_for(tasks, double(total) * cost, [&](int64_t task, int) {
    const int64_t start = task % blocks * w.width, row0 = task / blocks * step;
    const int64_t n = least(w.inner - start, w.width);
    const int64_t row1 = row0 + step < w.outer ? row0 + step : w.outer;
    for (int64_t r = row0; r < row1;) {
      const int64_t left = run - r % run, rows = row1 - r < left ? row1 - r : left;
      int64_t offset[kMaxWalk];
      walk_offsets(w, r, offset);
      for (int k = 0; k < w.n_in; ++k) offset[k] += start * w.stride[k][w.ndim - 1];
      f(rows, n, offset, r * w.inner + start);
      r += rows;
    }
  });
}

}  // namespace nnf
