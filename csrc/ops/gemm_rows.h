// Matrix products with few rows, and small ones: a task multiplies all rows with a strip of
// columns. Both matrices are read where they lie, if that is in runs; else B is packed a strip at a
// time into L2. What comes after a block is asked for while it is multiplied. The sums are those of
// gemm.h.
#pragma once

#include "ops/gemm.h"

namespace nnf {

constexpr int64_t kFewRows = 128;
constexpr int64_t kStripPanels = 4;  // panels of B in a strip
constexpr int64_t kFewest = 3;       // rows for which all that counts is how B is read
constexpr int64_t kFewInPlace = 32;  // for which also small tiles read B where it lies
constexpr int64_t kFewestTasks = 4;  // for them; kTasks for more
constexpr int64_t kL1Bytes = 32 << 10;

template <class T>
class Rows {
 public:
  // Few rows, or all in L1.
  static bool fits(int64_t M, int64_t N, int64_t K) { return M <= kFewRows || in_l1((M + N) * K); }

  // Elements of workspace.
  static int64_t items(const MatrixProduct<T>& p, int workers) {
    const Rows r(p);
    return r.a_items() + workers * r.worker_items();
  }

  static void multiply(const MatrixProduct<T>& p, T* workspace) {
    Rows r(p);
    r.ask_for_product();
    r.a_ = workspace;
    r.scratch_ = workspace + r.a_items();
    if (r.packed_a_) r.pack_a();
    parallel_for(ceil_div(p.N, r.strip_),
                 p.work() + double(p.N) * p.K * (r.b_items() ? kPackOne : kReadOne),
                 [&](int64_t task, int worker) {
                   const int64_t j = task * r.strip_;
                   r.multiply_strip(j, least(p.N - j, r.strip_), worker);
                 });
  }

 private:
  explicit Rows(const MatrixProduct<T>& p)
      : p_(p),
        rows_(round_up(p.M, mr_)),
        packed_a_(!read_a_in_place()),
        packed_b_(p.panels || !read_b_in_place()) {
    const int64_t tasks = p.M <= kFewest ? kFewestTasks : kTasks;
    int64_t panels = kStripPanels;
    while (panels > 1 && ceil_div(p.N, panels * nr_) < tasks) panels /= 2;
    strip_ = panels * nr_;
    const int64_t most = packed_a_ || p.ars == 1 ? mr_ : least(mr_, kRowsInPlace);
    tile_rows_ = packed_a_ ? mr_ : ceil_div(p.M, ceil_div(p.M, most));
  }

  static bool in_l1(int64_t items) { return items * int64_t(sizeof(T)) <= kL1Bytes; }

  bool read_a_in_place() const {
    if (p_.alpha != 1) return false;
    return p_.acs == 1 || p_.ars == 1 || p_.M == 1 || in_l1(p_.M * p_.K);
  }

  bool read_b_in_place() const {
    if (p_.bcs != 1) return false;
    if (in_l1(least(p_.K, kKC) * p_.N)) return true;
    return p_.M > kFewest && (mr_ > kRowsInPlace || p_.M <= kFewInPlace);
  }

  // The matrices of the next product, with the tiles of this one.
  void ask_for_product() {
    const int64_t calls = ceil_div(p_.N, nr_) * ceil_div(p_.M, tile_rows_);
    if (p_.a_after && (p_.acs == 1 || p_.ars == 1))
      a_after_ = Ahead<T>(p_.a_after, p_.M, p_.K, p_.ars, p_.acs, calls);
    if (p_.b_after && (p_.bcs == 1 || p_.brs == 1))
      b_after_ = Ahead<T>(p_.b_after, p_.N, p_.K, p_.bcs, p_.brs, calls);
  }

  int64_t a_items() const { return packed_a_ ? round_up(rows_ * p_.K, 16) : 0; }
  int64_t b_items() const { return packed_b_ && !p_.panels ? least(p_.K, kKC) * strip_ : 0; }

  // A strip of B, and the strip of C of a piece after the first.
  int64_t worker_items() const { return b_items() + (p_.K > kPiece ? p_.M * strip_ : 0); }

  void pack_a() {
    const int64_t panels = rows_ / mr_, blocks = ceil_div(p_.K, kKC);
    parallel_for(panels * blocks, double(p_.M) * p_.K * kPackOne, [&](int64_t t, int) {
      const int64_t i = t % panels * mr_, k = t / panels * kKC, kc = least(kKC, p_.K - k);
      kn_.pack_a(least(p_.M - i, mr_), kc, p_.a_at(i, k), p_.ars, p_.acs, p_.alpha,
                 a_ + k * rows_ + i * kc);
    });
  }

  void multiply_strip(int64_t j, int64_t n, int worker) {
    T* panels = scratch_ + worker * worker_items();
    T* piece = panels + b_items();
    T* c = p_.c + j;
    for (int64_t k0 = 0; k0 == 0 || k0 < p_.K; k0 += kPiece) {
      T* out = k0 == 0 ? c : piece;
      const int64_t ld = k0 == 0 ? p_.N : n;
      for_blocks(k0, least(k0 + kPiece, p_.K), [&](int64_t k, int64_t kc) {
        if (packed_b_ && !p_.panels) kn_.pack_b(kc, n, p_.b_at(k, j), p_.brs, p_.bcs, panels);
        add_block_of_k(j, n, k, kc, p_.panels ? p_.panels + p_.panel_offset(k, kc, j) : panels, out,
                       ld, k > k0);
      });
      if (k0 > 0) add_block(p_.M, n, out, ld, c, p_.N);
    }
    if (p_.ep.any() && !tiles_finish()) kn_.epilogue(p_.M, n, c, p_.N, p_.ep.at(0, j));
  }

  // Whether the tiles of the last block of K do what follows.
  bool tiles_finish() const { return p_.K <= kPiece && p_.ep.any() && p_.ep.quick(); }

  // What comes after the block of K at (k, j): the next one, or the first of the next strip.
  Ahead<T> after(int64_t j, int64_t n, int64_t k, int64_t kc, int64_t calls) const {
    if (p_.panels || in_l1(p_.K * p_.N)) return {};
    const bool more = k + kc < p_.K;
    const int64_t q = more ? k + kc : 0, i = more ? j : j + n;
    const int64_t cols = least(p_.N - i, n);
    if (cols <= 0) return {};
    return Ahead<T>(p_.b_at(q, i), cols, least(kKC, p_.K - q), p_.bcs, p_.brs, calls);
  }

  // out = or += one block of K.
  void add_block_of_k(int64_t j, int64_t n, int64_t k, int64_t kc, const T* panels, T* out,
                      int64_t ld, bool add) {
    // A panel stays in L1 for all rows.
    const int64_t step = p_.M <= (packed_b_ ? kFewest : tile_rows_) ? n : nr_;
    Ahead<T> next = after(j, n, k, kc, ceil_div(n, step) * ceil_div(p_.M, tile_rows_));
    const bool finish = tiles_finish() && k + kc >= p_.K;
    for (int64_t s = 0; s < n; s += step)
      for (int64_t i = 0; i < p_.M; i += tile_rows_) {
        next.some();
        a_after_.some();
        b_after_.some();
        const int rows = int(least(p_.M - i, tile_rows_));
        const int64_t cols = least(n - s, step);
        const T* a = packed_a_ ? a_ + k * rows_ + i * kc : p_.a_at(i, k);
        const T* b = packed_b_ ? panels + s * kc : p_.b_at(k, j + s);
        T* c = out + i * ld + s;
        const Epilogue<T> ep = finish ? p_.ep.at(i, j + s) : Epilogue<T>{};
        const Epilogue<T>* const end = finish ? &ep : nullptr;
        if (packed_a_ && packed_b_ && cols <= nr_)
          kn_.gemm_tile(kc, a, b, c, ld, rows, int(cols), add, end);
        else
          kn_.gemm_strip(kc, a, packed_a_ ? 1 : p_.ars, packed_a_ ? mr_ : p_.acs, b,
                         packed_b_ ? nr_ : p_.brs, packed_b_ ? nr_ * kc : nr_, c, ld, rows, cols,
                         add, end);
      }
  }

  const Kernels<T>& kn_ = kernels<T>();
  const int64_t mr_ = kn_.mr, nr_ = kn_.nr;
  const MatrixProduct<T>& p_;
  const int64_t rows_;  // of A, with those that fill the last panel
  const bool packed_a_, packed_b_;
  int64_t strip_;      // columns
  int64_t tile_rows_;  // multiplied at once
  T *a_ = nullptr, *scratch_ = nullptr;
  Ahead<T> a_after_, b_after_;
};

}  // namespace nnf
