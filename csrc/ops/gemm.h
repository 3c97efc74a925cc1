// The matrix product that matmul and convolution share: cache blocks around the register tile.
//
// C (M x N) = or += A B, where A and B are whatever the packers say: a plain matrix, or a view of
// an image that is never written out. K is cut into blocks of kKC. Each element of C is the sum,
// in order, of one partial sum per block: its bits depend on K alone, not on M, N, the threads or
// the ISA's tile (but baseline x86 has no FMA and rounds otherwise).
#pragma once

#include "base/parallel.h"
#include "kernels/table.h"

namespace nnf {

constexpr int64_t kKC = 256;                     // a panel of B is 2 vectors x 256: in L1
constexpr int64_t kMC = 1024;                    // rows of A packed at once
constexpr int64_t kNC = 2048;                    // columns of B packed at once
constexpr int64_t kTileRows = 8, kTileCols = 8;  // register tiles a task covers in each direction

// Elements of workspace that gemm needs.
template <class T>
int64_t gemm_workspace(int64_t m, int64_t n, int64_t k) {
  const auto& kn = kernels<T>();
  const int64_t kc = k < kKC ? k : kKC;
  const int64_t rows = round_up(m < kMC ? m : kMC, kn.mr);
  const int64_t cols = round_up(n < kNC ? n : kNC, kn.nr);
  return round_up(rows * kc, 16) + round_up(cols * kc, 16) + 32;
}

// pack_a(i0, m, k0, k, panels) packs rows [i0, i0 + m) and columns [k0, k0 + k) of A;
// pack_b(k0, k, j0, n, panels) the like of B. i0 and j0 are multiples of the tile.
template <class T, class PackA, class PackB>
void gemm(int64_t M, int64_t N, int64_t K, PackA&& pack_a, PackB&& pack_b, T* c, int64_t ldc,
          bool accumulate, const Epilogue<T>& ep, T* workspace) {
  const auto& kn = kernels<T>();
  const int64_t mr = kn.mr, nr = kn.nr;
  const int64_t mc = round_up(kMC, mr), nc = round_up(kNC, nr);
  T* a_panels = workspace;
  T* b_panels = workspace + round_up(round_up(M < mc ? M : mc, mr) * (K < kKC ? K : kKC), 16);

  for (int64_t j0 = 0; j0 < N; j0 += nc) {
    const int64_t n = N - j0 < nc ? N - j0 : nc;
    const int64_t n_panels = ceil_div(n, nr);
    for (int64_t k0 = 0; k0 == 0 || k0 < K; k0 += kKC) {
      const int64_t kc = K - k0 < kKC ? K - k0 : kKC;
      const bool add = accumulate || k0 > 0, last = k0 + kc >= K;
      for (int64_t i0 = 0; i0 < M; i0 += mc) {
        const int64_t m = M - i0 < mc ? M - i0 : mc;
        const int64_t m_panels = ceil_div(m, mr);
        const bool pack_columns = i0 == 0;  // B stays packed for the other rows
        parallel_for(m_panels + (pack_columns ? n_panels : 0),
                     double(m + (pack_columns ? n : 0)) * kc, [&](int64_t t, int) {
                       if (t < m_panels) {
                         const int64_t i = t * mr, rows = m - i < mr ? m - i : mr;
                         pack_a(i0 + i, rows, k0, kc, a_panels + i * kc);
                       } else {
                         const int64_t j = (t - m_panels) * nr, cols = n - j < nr ? n - j : nr;
                         pack_b(k0, kc, j0 + j, cols, b_panels + j * kc);
                       }
                     });
        const int64_t row_tasks = ceil_div(m_panels, kTileRows);
        const int64_t col_tasks = ceil_div(n_panels, kTileCols);
        parallel_for(row_tasks * col_tasks, double(m) * n * kc, [&](int64_t t, int) {
          const int64_t ib = t % row_tasks * kTileRows * mr, jb = t / row_tasks * kTileCols * nr;
          const int64_t ie = ib + kTileRows * mr < m ? ib + kTileRows * mr : m;
          const int64_t je = jb + kTileCols * nr < n ? jb + kTileCols * nr : n;
          T* block = c + (i0 + ib) * ldc + j0 + jb;
          for (int64_t j = jb; j < je; j += nr) {
            for (int64_t i = ib; i < ie; i += mr) {
              T* tile = block + (i - ib) * ldc + (j - jb);
              const int rows = int(ie - i < mr ? ie - i : mr);
              const int cols = int(je - j < nr ? je - j : nr);
              kn.gemm_tile(kc, a_panels + i * kc, b_panels + j * kc, tile, ldc, rows, cols, add);
              if (last && ep.any()) kn.epilogue(rows, cols, tile, ldc, ep.at(i0 + i, j0 + j));
            }
          }
        });
      }
    }
  }
}

}  // namespace nnf
