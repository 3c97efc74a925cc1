// The matrix product of matmul and linear: C (M x N) = A (M x K) B (K x N), any strides of A and B.
//
// K is cut into blocks of kKC, and blocks into pieces of kPiece. An element of C is the sum, in
// order, of its pieces; a piece is the sum, in order, of its blocks; a block is summed in order of
// k by fused multiply-add from 0. So its bits depend on K alone, whatever path is taken, whatever
// M, N, the threads and the ISA's tile (but baseline x86 has no FMA and rounds otherwise).
#pragma once

#include "base/parallel.h"
#include "kernels/table.h"

namespace nnf {

constexpr int64_t kKC = 256;         // a panel of A is 14 x 256: half of L1
constexpr int64_t kPiece = 8 * kKC;  // pieces can be summed side by side
constexpr int64_t kMC = 1024;        // rows of A and columns of B packed at once:
constexpr int64_t kNC = 1024;        // a block of each is 1 MiB
constexpr int64_t kTaskPanels = 8;   // of a task in each direction: its part of A and B is in L2
constexpr int64_t kPackPanels = 4;   // of a task that packs
constexpr int64_t kTasks = 16;       // smaller tasks where there would be fewer than these
constexpr double kPackOne = 1;       // work of packing an element, see parallel_for,
constexpr double kReadOne = 0.25;    // and of reading one
constexpr int64_t kRowsInPlace = 8;  // of A, read at once where they lie: a set of L1 has 8 ways

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

// ---- the general path: panels of A and B packed by all workers, then tiles ------------------
// Rows of A that meet few columns are read where they lie. Workers multiply what they packed, as
// far as the longer side of C goes.

template <class T>
class Blocks {
 public:
  // Elements of workspace.
  static int64_t items(const MatrixProduct<T>& p) {
    const Blocks b(p);
    return b.a_items() + b.b_items() + (p.K > kPiece ? b.rows_ * b.cols_ : 0);
  }

  static void multiply(const MatrixProduct<T>& p, T* workspace) {
    Blocks b(p);
    b.a_ = workspace, b.b_ = b.a_ + b.a_items(), b.piece_ = b.b_ + b.b_items();
    for (int64_t j0 = 0; j0 < p.N; j0 += kNC)
      for (int64_t i0 = 0; i0 < p.M; i0 += kMC) b.multiply_part(i0, j0);
  }

 private:
  explicit Blocks(const MatrixProduct<T>& p)
      : p_(p),
        in_place_(p.alpha == 1 && p.acs == 1 && p.N <= kNC / 2),
        step_(in_place_ ? least(mr_, kRowsInPlace) : mr_),
        rows_(round_up(least(p.M, kMC), mr_)),
        cols_(round_up(least(p.N, kNC), nr_)),
        depth_(least(p.K, kKC)) {}

  int64_t a_items() const { return in_place_ ? 0 : round_up(rows_ * depth_, 16); }
  int64_t b_items() const { return p_.panels ? 0 : round_up(cols_ * depth_, 16); }

  // The part of C at (i0, j0), piece after piece.
  void multiply_part(int64_t i0, int64_t j0) {
    const int64_t m = least(p_.M - i0, kMC), n = least(p_.N - j0, kNC);
    T* c = p_.c + i0 * p_.N + j0;
    for (int64_t k0 = 0; k0 == 0 || k0 < p_.K; k0 += kPiece) {
      T* out = k0 == 0 ? c : piece_;
      const int64_t ld = k0 == 0 ? p_.N : cols_;
      for_blocks(k0, least(k0 + kPiece, p_.K), [&](int64_t k, int64_t kc) {
        pack(i0, m, j0, n, k, kc);
        multiply_block(i0, m, j0, n, k, kc, out, ld, k > k0);
      });
      const bool last = k0 + kPiece >= p_.K;
      if (k0 > 0)
        parallel_for(m, double(m) * n, [&](int64_t i, int) {
          add_block(1, n, out + i * ld, ld, c + i * p_.N, p_.N);
          if (last && p_.ep.any()) kn_.epilogue(1, n, c + i * p_.N, p_.N, p_.ep.at(i0 + i, j0));
        });
    }
  }

  // A and B in turns, so that each worker has a part of both.
  void pack(int64_t i0, int64_t m, int64_t j0, int64_t n, int64_t k, int64_t kc) {
    const int64_t a_step = kPackPanels * mr_, b_step = kPackPanels * nr_;
    const int64_t a_tasks = in_place_ ? 0 : ceil_div(m, a_step);
    const int64_t tasks = a_tasks + (p_.panels ? 0 : ceil_div(n, b_step));
    const double work = double((in_place_ ? 0 : m) + (p_.panels ? 0 : n)) * kc * kPackOne;
    parallel_for(tasks, work, [&](int64_t t, int) {
      const int64_t before = t * a_tasks / tasks;  // of A
      const int64_t i = before * a_step, j = (t - before) * b_step;
      if ((t + 1) * a_tasks / tasks > before)
        kn_.pack_a(least(m - i, a_step), kc, p_.a_at(i0 + i, k), p_.ars, p_.acs, p_.alpha,
                   a_ + i * kc);
      else
        kn_.pack_b(kc, least(n - j, b_step), p_.b_at(k, j0 + j), p_.brs, p_.bcs, b_ + j * kc);
    });
  }

  // out = or += the product of the packed panels; the epilogue if it is then complete.
  void multiply_block(int64_t i0, int64_t m, int64_t j0, int64_t n, int64_t k, int64_t kc, T* out,
                      int64_t ld, bool add) {
    const int64_t m_panels = ceil_div(m, step_), n_panels = ceil_div(n, nr_);
    int64_t side = kTaskPanels;
    while (side > 1 && ceil_div(m_panels, side) * ceil_div(n_panels, side) < kTasks) side /= 2;
    const int64_t row_tasks = ceil_div(m_panels, side), col_tasks = ceil_div(n_panels, side);
    const T* b = p_.panels ? p_.panels + p_.panel_offset(k, kc, j0) : b_;
    const bool complete = p_.ep.any() && p_.K <= kPiece && k + kc >= p_.K;
    parallel_for(row_tasks * col_tasks, double(m) * n * kc * kMultiplyAdd, [&](int64_t task, int) {
      const int64_t row = m < n ? task % row_tasks : task / col_tasks;
      const int64_t col = m < n ? task / row_tasks : task % col_tasks;
      const int64_t ib = row * side * step_, jb = col * side * nr_;
      const int64_t ie = least(m, ib + side * step_), je = least(n, jb + side * nr_);
      for (int64_t i = ib; i < ie; i += step_)
        for (int64_t j = jb; j < je; j += nr_) {
          const int rows = int(least(m - i, step_)), cols = int(least(n - j, nr_));
          T* tile = out + i * ld + j;
          if (in_place_)
            kn_.gemm_strip(kc, p_.a_at(i0 + i, k), p_.ars, p_.acs, b + j * kc, nr_, nr_ * kc, tile,
                           ld, rows, cols, add);
          else
            kn_.gemm_tile(kc, a_ + i * kc, b + j * kc, tile, ld, rows, cols, add);
          if (complete) kn_.epilogue(rows, cols, tile, ld, p_.ep.at(i0 + i, j0 + j));
        }
    });
  }

  const Kernels<T>& kn_ = kernels<T>();
  const int64_t mr_ = kn_.mr, nr_ = kn_.nr;
  const MatrixProduct<T>& p_;
  const bool in_place_;                               // A is read where it lies,
  const int64_t step_;                                // so many rows at once
  const int64_t rows_, cols_, depth_;                 // packed at once
  T *a_ = nullptr, *b_ = nullptr, *piece_ = nullptr;  // a piece of K after the first
};

}  // namespace nnf
