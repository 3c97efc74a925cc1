// The product of few rows with a matrix whose columns lie side by side, as in a layer: its
// transpose is computed, with the columns of B read where they lie, as rows of A otherwise are. So
// only A and the result are transposed, the small ones. Each worker has an A of its own: what
// another core has packed would come from there, for each strip. The sums are those of gemm.h.
#pragma once

#include "ops/gemm_rows.h"

namespace nnf {

template <class T>
class Turned {
 public:
  static bool fits(const MatrixProduct<T>& p) {
    return p.M <= kFewRows && fills_vectors(p.M) && p.N >= 2 * p.M && p.K >= kLeastDepth &&
           Turned(p).a_items() * int64_t(sizeof(T)) <= kMostBytes && !p.panels && p.alpha == 1 &&
           p.brs == 1 && p.bcs != 1;
  }

  // The rows of A are lanes of its panels: nearly all of them count.
  static bool fills_vectors(int64_t M) {
    const int64_t lanes = kernels<T>().lanes;
    return 8 * (round_up(M, lanes) - M) <= M;
  }

  // Elements of workspace.
  static int64_t items(const MatrixProduct<T>& p, int workers) {
    const Turned t(p);
    return workers * t.worker_items();
  }

  static void multiply(const MatrixProduct<T>& p, T* workspace) {
    Turned t(p);
    const int64_t tasks = ceil_div(p.N, t.strip_);
    const double work = p.work() + double(p.N) * p.K * kReadOne;
    for (int w = 0; w < workers_for(tasks, work); ++w) workspace[w * t.worker_items()] = 0;
    parallel_for(tasks, work, [&](int64_t task, int worker) {
      T* own = workspace + worker * t.worker_items();
      if (own[0] == 0) pack_all(t.a_, own + kFlag), own[0] = 1;
      t.multiply_strip(task * t.strip_, own + kFlag, own + kFlag + t.a_items());
    });
  }

 private:
  explicit Turned(const MatrixProduct<T>& p) : p_(p), a_(p) {
    a_.N = p.M, a_.b = p.a, a_.brs = p.acs, a_.bcs = p.ars;
    while (strip_ > kShortest && ceil_div(p.N, strip_) < kTasks) strip_ /= 2;
  }

  int64_t a_items() const { return round_up(round_up(p_.M, kn_.nr) * p_.K, 16); }
  // Whether A is packed, A; a strip of columns of C, as rows, and one of a piece after the first.
  int64_t worker_items() const {
    return kFlag + a_items() + round_up(p_.M * strip_ * (p_.K > kPiece ? 2 : 1), 16);
  }

  void multiply_strip(int64_t j0, const T* panels, T* strip) {
    const int64_t n = least(p_.N - j0, strip_), step = least(kn_.mr, kRowsInPlace);
    const Epilogue<T> turned = turned_epilogue();
    ask_for(p_.c + j0, p_.M, p_.N, n);
    for (int64_t k0 = 0; k0 == 0 || k0 < p_.K; k0 += kPiece) {
      T* out = k0 == 0 ? strip : strip + p_.M * strip_;
      for (int64_t j = 0; j < n; j += step)
        for_blocks(k0, least(k0 + kPiece, p_.K), [&](int64_t k, int64_t kc) {
          Ahead<T> next = after(j0, n, j, step, k, kc);
          for (int64_t i = 0; i < p_.M; i += kn_.nr) {
            next.some();
            kn_.gemm_strip(kc, p_.b_at(k, j0 + j), p_.bcs, 1, panels + a_.panel_offset(k, kc, i),
                           kn_.nr, kn_.nr * kc, out + j * p_.M + i, p_.M, int(least(n - j, step)),
                           least(p_.M - i, kn_.nr), k > k0, nullptr);
          }
          if (turned.any() && k + kc >= p_.K)
            kn_.epilogue(least(n - j, step), p_.M, out + j * p_.M, p_.M, turned.at(j0 + j, 0));
        });
      if (k0 > 0) add_block(1, n * p_.M, out, 0, strip, 0);
    }
    T* c = p_.c + j0;
    kn_.copy_transposed(n, p_.M, strip, p_.M, c, p_.N, false);
    if (p_.ep.any() && !turned.any()) kn_.epilogue(p_.M, n, c, p_.N, p_.ep.at(0, j0));
  }

  // What follows, for rows that are columns of C; nothing if it has to wait for C itself.
  Epilogue<T> turned_epilogue() const {
    Epilogue<T> ep = p_.ep;
    if (p_.K > kPiece || ep.residual || ep.row_bias || ep.col_step != 1) return {};
    std::swap(ep.row_bias, ep.col_bias);
    return ep;
  }

  // What comes after the columns j.. of B in the block of K at k: its next block, or the next
  // columns from their beginning on.
  Ahead<T> after(int64_t j0, int64_t n, int64_t j, int64_t step, int64_t k, int64_t kc) const {
    const int64_t q = k + kc < p_.K ? k + kc : 0;
    const int64_t first = j0 + (q ? j : least(j + step, n)), cols = least(p_.N - first, step);
    if (cols <= 0) return {};
    return Ahead<T>(p_.b_at(q, first), cols, least(kKC, p_.K - q), p_.bcs, p_.brs,
                    ceil_div(p_.M, kn_.nr));
  }

  static constexpr int64_t kShortest = 16, kFlag = 16;
  static constexpr int64_t kMostBytes = 1 << 20;   // of A, which each worker packs
  static constexpr int64_t kLeastDepth = 2 * kKC;  // of sums that are worth turning the result

  const Kernels<T>& kn_ = kernels<T>();
  const MatrixProduct<T>& p_;
  MatrixProduct<T> a_;  // its B is our A, transposed
  int64_t strip_ = 64;  // columns of B of a task
};

}  // namespace nnf
