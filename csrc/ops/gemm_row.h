// The product of one row and a matrix, which is read once, where it lies: all that counts is to
// read it in long runs. The sums are those of gemm.h.
#pragma once

#include "base/cache.h"
#include "ops/gemm.h"

namespace nnf {

constexpr int64_t kLongRun = 2048;  // columns of a task, at most
constexpr int64_t kShortRun = 256;  // not cut for the sake of
constexpr int64_t kRowTasks = 4;    // tasks

template <class T>
class Row {
 public:
  static bool fits(const MatrixProduct<T>& p) {
    return p.M == 1 && !p.panels && p.alpha == 1 && (p.brs == 1 || p.bcs == 1);
  }

  // Elements of workspace: a row for each block of K.
  static int64_t items(const MatrixProduct<T>& p) {
    const Row r(p);
    return r.blocks_ > 1 ? r.blocks_ * r.stride_ : 0;
  }

  static void multiply(const MatrixProduct<T>& p, T* workspace) {
    Row r(p);
    if (is_in_columns(p)) return r.multiply_columns();
    r.sums_ = r.blocks_ > 1 ? workspace : p.c;
    r.multiply_rows();
    r.add_sums();
  }

 private:
  explicit Row(const MatrixProduct<T>& p)
      : p_(p),
        blocks_(!is_in_columns(p) && p.K > 0 ? ceil_div(p.K, kKC) : 1),
        stride_(round_up(p.N, 16)),
        run_(kLongRun) {
    while (run_ > kShortRun && blocks_ * ceil_div(p.N, run_) < kRowTasks) run_ /= 2;
  }

  // B's columns lie in runs.
  static bool is_in_columns(const MatrixProduct<T>& p) {
    return p.brs == 1 && (p.bcs != 1 || p.N == 1);
  }

  double work() const { return p_.work() + double(p_.N) * p_.K * kReadOne; }

  // Columns of B that lie side by side in memory.
  void multiply_columns() {
    parallel_for(ceil_div(p_.N, kn_.nr), work(), [&](int64_t task, int) {
      const int64_t j = task * kn_.nr, n = least(p_.N - j, kn_.nr);
      kn_.gemm_dots(p_.K, kKC, kPiece, p_.a, p_.acs, p_.b_at(0, j), p_.bcs, p_.c + j, n);
      if (p_.ep.any()) kn_.epilogue(1, n, p_.c + j, p_.N, p_.ep.at(0, j));
    });
  }

  // Each block of K to a row of its own.
  void multiply_rows() {
    const int64_t runs = ceil_div(p_.N, run_);
    const bool far = p_.N * p_.K * int64_t(sizeof(T)) > largest_cache() / 4;
    parallel_for(blocks_ * runs, work(), [&](int64_t task, int) {
      const int64_t block = task / runs, j = task % runs * run_, k = block * kKC;
      kn_.gemm_row(least(p_.K - k, kKC), p_.a_at(0, k), p_.acs, p_.b_at(k, j), p_.brs,
                   sums_ + block * stride_ + j, least(p_.N - j, run_), far);
    });
  }

  void add_sums() {
    constexpr int64_t kBlocks = kPiece / kKC;
    parallel_for(ceil_div(p_.N, kLongRun), double(blocks_) * p_.N, [&](int64_t task, int) {
      const int64_t j = task * kLongRun, n = least(p_.N - j, kLongRun);
      T* c = p_.c + j;
      for (int64_t t = 0; blocks_ > 1 && t < blocks_; t += kBlocks) {
        T* piece = sums_ + t * stride_ + j;
        for (int64_t i = t + 1; i < least(t + kBlocks, blocks_); ++i)
          add_block(1, n, sums_ + i * stride_ + j, n, piece, n);
        if (t > 0)
          add_block(1, n, piece, n, c, n);
        else
          kn_.copy({n, piece, nullptr, nullptr, 1, 1, 1, c, {}});
      }
      if (p_.ep.any()) kn_.epilogue(1, n, c, p_.N, p_.ep.at(0, j));
    });
  }

  const Kernels<T>& kn_ = kernels<T>();
  const MatrixProduct<T>& p_;
  const int64_t blocks_;  // of K
  const int64_t stride_;  // from one row of sums to the next
  int64_t run_;           // columns of a task
  T* sums_ = nullptr;
};

}  // namespace nnf
