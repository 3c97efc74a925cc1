// The matrix product of matmul and linear: C (M x N) = A (M x K) B (K x N), any strides of A and B.
//
// K is cut into blocks of kKC, and blocks into pieces of kPiece. An element of C is the sum, in
// order, of its pieces; a piece is the sum, in order, of its blocks; a block is summed in order of
// k by fused multiply-add from 0. So its bits depend on K alone, whatever path is taken, whatever
// M, N, the threads and the ISA's tile (but baseline x86 has no FMA and rounds otherwise).
#pragma once

#include <algorithm>

#include "base/cache.h"
#include "base/parallel.h"
#include "kernels/table.h"
#include "ops/ahead.h"

namespace nnf {

constexpr int64_t kKC = 256;           // a panel of A is 14 x 256: half of L1
constexpr int64_t kPiece = 8 * kKC;    // pieces can be summed side by side
constexpr int64_t kMC = 1024;          // rows of C at once where K has many blocks,
constexpr int64_t kNC = 512;           // and columns, at most: B's blocks fill L2
constexpr int64_t kTaskRows = 112;     // of a task, at most
constexpr int64_t kBlockTasks = 32;    // a power of two: threads get as much work each
constexpr int64_t kPackPanels = 4;     // of a task that packs
constexpr int64_t kTasks = 16;         // smaller tasks where there would be fewer than these
constexpr double kPackOne = 1;         // work of packing an element, see parallel_for,
constexpr double kReadOne = 0.25;      // and of reading one
constexpr int64_t kColsInPlace = 512;  // for fewer columns nothing is packed that lies in runs
constexpr int64_t kColsNarrow = 128;   // the same for small tiles: they read more for a product

template <class T>
struct MatrixProduct {
  int64_t M, N, K;
  const T* a;
  int64_t ars, acs;  // row and column stride
  const T* b;
  int64_t brs, bcs;
  T alpha;  // multiplies A
  T* c;     // rows lie side by side
  Epilogue<T> ep;
  const T* panels = nullptr;  // B as pack_all left it: then b is not read
  // Those of the product that this thread computes next, if they lie apart: they are asked for.
  const T *a_after = nullptr, *b_after = nullptr;

  const T* a_at(int64_t i, int64_t k) const { return a + i * ars + k * acs; }
  const T* b_at(int64_t k, int64_t j) const { return b + k * brs + j * bcs; }
  // Of the panel of column j, a multiple of nr, in the block of kc that begins at k.
  int64_t panel_offset(int64_t k, int64_t kc, int64_t j) const {
    return k * round_up(N, kernels<T>().nr) + j * kc;
  }
  double work() const { return double(M) * N * K * kMultiplyAdd; }
};

// Calls f(k0, kc) for the blocks of [begin, end); once with kc = 0 if that is empty, so that the
// result is written.
template <class F>
void for_blocks(int64_t begin, int64_t end, F&& f) {
  for (int64_t k = begin; k == begin || k < end; k += kKC) f(k, least(kKC, end - k));
}

// Panels of all of B, block of K after block.
template <class T>
void pack_all(const MatrixProduct<T>& p, T* panels) {
  const int64_t step = kPackPanels * kernels<T>().nr, across = ceil_div(p.N, step);
  parallel_for(across * ceil_div(p.K, kKC), double(p.N) * p.K * kPackOne, [&](int64_t t, int) {
    const int64_t j = t % across * step, k = t / across * kKC, kc = least(kKC, p.K - k);
    kernels<T>().pack_b(kc, least(p.N - j, step), p.b_at(k, j), p.brs, p.bcs,
                        panels + p.panel_offset(k, kc, j));
  });
}

// C (rows x cols, row stride ldc) += x (row stride ldx).
template <class T>
void add_block(int64_t rows, int64_t cols, const T* x, int64_t ldx, T* c, int64_t ldc) {
  const auto add = kernels<T>().map[int(Map::add)];
  for (int64_t i = 0; i < rows; ++i, c += ldc, x += ldx) add({cols, c, x, nullptr, 1, 1, 0, c, {}});
}

// ---- the general path: panels of B packed by all workers, then tasks that multiply some rows of A
// with some columns. A task packs its rows itself, so that they stay in its core's caches. Where
// there are few columns, all is read where it lies, if that is in runs.

template <class T>
class Blocks {
 public:
  // Elements of workspace.
  static int64_t items(const MatrixProduct<T>& p, int workers) {
    const Blocks b(p);
    return b.b_items() + (p.K > kPiece ? b.rows_ * b.cols_ : 0) + workers * b.worker_items();
  }

  static void multiply(const MatrixProduct<T>& p, T* workspace) {
    Blocks b(p);
    b.b_ = workspace, b.piece_ = b.b_ + b.b_items();
    b.scratch_ = b.piece_ + (p.K > kPiece ? b.rows_ * b.cols_ : 0);
    for (int64_t j0 = 0; j0 < p.N; j0 += b.cols_)
      for (int64_t i0 = 0; i0 < p.M; i0 += b.rows_) b.multiply_part(i0, j0);
  }

 private:
  explicit Blocks(const MatrixProduct<T>& p)
      : p_(p),
        in_place_(p.alpha == 1 &&
                  ((p.acs == 1 && p.N <= kColsInPlace) || (p.ars == 1 && p.N <= most_in_place()))),
        b_in_place_(!p.panels && p.bcs == 1 && p.N <= most_in_place()),
        step_(in_place_ && p.ars != 1 ? least(mr_, kRowsInPlace) : mr_),
        cols_(round_up(least(p.N, most_columns()), nr_)),
        depth_(least(std::max(in_block() / cols_ / kKC, int64_t(1)) * kKC, kPiece)),
        rows_(p.K <= depth_ ? p.M : least(p.M, kMC)) {}

  // Elements of B at once.
  static int64_t in_block() { return second_cache() / int64_t(sizeof(T)); }
  int64_t most_columns() const { return std::max(least(kNC, in_block() / kKC), nr_); }

  int64_t most_in_place() const { return mr_ > kRowsInPlace ? kColsInPlace : kColsNarrow; }

  int64_t b_items() const {
    return p_.panels || b_in_place_ ? 0 : round_up(cols_ * least(p_.K, depth_), 16);
  }
  int64_t worker_items() const {
    return in_place_ ? 0 : round_up(kTaskRows, mr_) * least(p_.K, kKC);
  }

  // The part of C at (i0, j0), piece after piece.
  void multiply_part(int64_t i0, int64_t j0) {
    const int64_t m = least(p_.M - i0, rows_), n = least(p_.N - j0, cols_);
    T* c = p_.c + i0 * p_.N + j0;
    for (int64_t k0 = 0; k0 == 0 || k0 < p_.K; k0 += kPiece) {
      T* out = k0 == 0 ? c : piece_;
      const int64_t ld = k0 == 0 ? p_.N : cols_, end = least(k0 + kPiece, p_.K);
      for (int64_t k = k0; k == k0 || k < end; k += depth_) {
        const int64_t depth = least(depth_, end - k);
        if (!p_.panels && !b_in_place_) pack_b(j0, n, k, depth);
        multiply_blocks(i0, m, j0, n, k, depth, out, ld, k > k0);
      }
      const bool last = k0 + kPiece >= p_.K;
      if (k0 > 0)
        parallel_for(m, double(m) * n, [&](int64_t i, int) {
          add_block(1, n, out + i * ld, ld, c + i * p_.N, p_.N);
          if (last && p_.ep.any()) kn_.epilogue(1, n, c + i * p_.N, p_.N, p_.ep.at(i0 + i, j0));
        });
    }
  }

  void pack_b(int64_t j0, int64_t n, int64_t k0, int64_t depth) {
    const int64_t step = kPackPanels * nr_, across = ceil_div(n, step);
    parallel_for(across * ceil_div(depth, kKC), double(n) * depth * kPackOne, [&](int64_t t, int) {
      const int64_t j = t % across * step, k = t / across * kKC, kc = least(kKC, depth - k);
      kn_.pack_b(kc, least(n - j, step), p_.b_at(k0 + k, j0 + j), p_.brs, p_.bcs,
                 b_ + k * cols_ + j * kc);
    });
  }

  // out = or += the product of some blocks of K; the epilogue if it is then complete. A worker
  // has rows that lie together, as in other ops: who writes what another has read waits for it.
  void multiply_blocks(int64_t i0, int64_t m, int64_t j0, int64_t n, int64_t k0, int64_t depth,
                       T* out, int64_t ld, bool add) {
    const int64_t panels = ceil_div(m, step_);
    const int64_t tasks = least(panels, std::max(kBlockTasks, ceil_div(panels, kTaskRows / step_)));
    parallel_for(tasks, double(m) * n * depth * kMultiplyAdd, [&](int64_t task, int worker) {
      const Task t{
          i0, task * panels / tasks * step_, least(m, (task + 1) * panels / tasks * step_), m, j0,
          n};
      T* a = scratch_ + worker * worker_items();
      for (int64_t k = k0; k == k0 || k < k0 + depth; k += kKC)
        multiply_task(t, k0, k, depth, a, out, ld, add || k > k0);
    });
  }

  struct Task {
    int64_t i0, ib, ie, m, j0, n;
  };

  void multiply_task(const Task& t, int64_t k0, int64_t k, int64_t depth, T* packed, T* out,
                     int64_t ld, bool add) {
    const int64_t kc = least(kKC, k0 + depth - k), tiles = ceil_div(t.n, nr_);
    const T* b = p_.panels ? p_.panels + p_.panel_offset(k, kc, t.j0) : b_ + (k - k0) * cols_;
    const bool complete = p_.ep.any() && p_.K <= kPiece && k + kc >= p_.K, quick = p_.ep.quick();
    Ahead<T> next;
    if (!in_place_) {
      kn_.pack_a(t.ie - t.ib, kc, p_.a_at(t.i0 + t.ib, k), p_.ars, p_.acs, p_.alpha, packed);
      const bool more = k + kc < k0 + depth;  // of K, or the rows of the next task
      const int64_t i = more ? t.ib : t.ie, q = more ? k + kc : k0;
      const int64_t rows = least(t.m - i, t.ie - t.ib);
      if (rows > 0)
        next = Ahead<T>(p_.a_at(t.i0 + i, q), rows, least(kKC, k0 + depth - q), p_.ars, p_.acs,
                        tiles * ceil_div(t.ie - t.ib, mr_));
    }
    for (int64_t i = t.ib; i < t.ie; i += step_) {
      const int64_t below = least(t.m - i - step_, step_);
      if (in_place_ && below > 0)
        next = Ahead<T>(p_.a_at(t.i0 + i + step_, k), below, kc, p_.ars, p_.acs, tiles);
      for (int64_t j = 0; j < t.n; j += nr_) {
        const int rows = int(least(t.m - i, step_)), cols = int(least(t.n - j, nr_));
        T* tile = out + i * ld + j;
        next.some();
        const Epilogue<T> ep = complete ? p_.ep.at(t.i0 + i, t.j0 + j) : Epilogue<T>{};
        const Epilogue<T>* const end = complete && quick ? &ep : nullptr;
        if (ep.residual) ask_for(ep.residual, rows, ep.residual_rs, cols);
        if (in_place_ || b_in_place_)
          kn_.gemm_strip(kc, in_place_ ? p_.a_at(t.i0 + i, k) : packed + (i - t.ib) * kc,
                         in_place_ ? p_.ars : 1, in_place_ ? p_.acs : mr_,
                         b_in_place_ ? p_.b_at(k, t.j0 + j) : b + j * kc,
                         b_in_place_ ? p_.brs : nr_, nr_, tile, ld, rows, cols, add, end);
        else
          kn_.gemm_tile(kc, packed + (i - t.ib) * kc, b + j * kc, tile, ld, rows, cols, add, end);
        if (complete && !quick) kn_.epilogue(rows, cols, tile, ld, ep);
      }
    }
  }

  const Kernels<T>& kn_ = kernels<T>();
  const int64_t mr_ = kn_.mr, nr_ = kn_.nr;
  const MatrixProduct<T>& p_;
  const bool in_place_, b_in_place_;                        // A and B are read where they lie: A
  const int64_t step_;                                      // so many rows at once
  const int64_t cols_, depth_;                              // of B, packed at once
  const int64_t rows_;                                      // of A that meet them
  T *b_ = nullptr, *scratch_ = nullptr, *piece_ = nullptr;  // a piece of K after the first
};

}  // namespace nnf
