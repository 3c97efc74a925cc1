// Which path a matrix product takes, a matter of its shape alone; and two paths that are made of
// products of few rows: tall ones are cut into runs of rows, deep ones into the pieces of K.
// Shallow ones, with few products for each element of C, write it row after row.
#pragma once

#include <algorithm>

#include "ops/gemm_row.h"
#include "ops/gemm_turned.h"

namespace nnf {

constexpr int64_t kFewColumns = 64;         // of a tall product
constexpr int64_t kDeepItems = 1 << 14;     // of C, at most, in a deep one
constexpr int64_t kShallow = 256;           // K of a shallow one, at most,
constexpr int64_t kShallowItems = 1 << 16;  // if B has no more elements: L2 holds it
constexpr int64_t kShallowRows = 32;        // at least: they are cut into tasks
constexpr int64_t kFlat = 8;                // K where all that counts is to write C

enum class GemmPath { row, shallow, rows, turned, tall, deep, blocks };

// Small tiles would wait for L2.
template <class T>
bool is_shallow(const MatrixProduct<T>& p) {
  const bool large_tile = kernels<T>().mr > kRowsInPlace;
  const bool in_l2 = p.K * p.N <= kShallowItems && (large_tile || p.N <= kColsNarrow);
  return (p.K <= kFlat || (p.K <= kShallow && in_l2)) && p.bcs == 1 && p.M >= kShallowRows &&
         p.N > kFewColumns && !p.panels && p.alpha == 1;
}

template <class T>
GemmPath gemm_path(const MatrixProduct<T>& p) {
  if (Row<T>::fits(p)) return GemmPath::row;
  if (is_shallow(p)) return GemmPath::shallow;
  if (p.K >= 2 * kPiece && p.M * p.N <= kDeepItems && p.M > 1) return GemmPath::deep;
  if (Turned<T>::fits(p)) return GemmPath::turned;
  if (Rows<T>::fits(p.M, p.N, p.K)) return GemmPath::rows;
  return p.N <= kFewColumns ? GemmPath::tall : GemmPath::blocks;
}

// A run of rows, of as many as possible; a piece of K.
template <class T>
MatrixProduct<T> some_rows(const MatrixProduct<T>& p, int64_t i) {
  MatrixProduct<T> q = p;
  q.M = least(p.M - i, kFewRows);
  q.a = p.a_at(i, 0), q.c = p.c + i * p.N, q.ep = p.ep.at(i, 0);
  return q;
}

template <class T>
MatrixProduct<T> one_piece(const MatrixProduct<T>& p, int64_t k, T* c) {
  MatrixProduct<T> q = p;
  q.K = least(p.K - k, kPiece);
  q.a = p.a_at(0, k), q.b = p.b_at(k, 0), q.c = c, q.ep = {};
  if (p.panels) q.panels = p.panels + p.panel_offset(k, 0, 0);
  return q;
}

// Elements of workspace of a run of rows: the last is shorter, and may need more.
template <class T>
int64_t run_items(const MatrixProduct<T>& p) {
  const int64_t last = (p.M - 1) / kFewRows * kFewRows;
  return std::max(Rows<T>::items(some_rows(p, 0), 1), Rows<T>::items(some_rows(p, last), 1));
}

// That of a piece of K, with results at c.
template <class T>
int64_t piece_items(const MatrixProduct<T>& p, T* c) {
  const int64_t last = (p.K - 1) / kPiece * kPiece;
  return std::max(Rows<T>::items(one_piece(p, 0, c), 1), Rows<T>::items(one_piece(p, last, c), 1));
}

// Row after row, so that C is written in long runs.
template <class T>
void multiply_shallow(const MatrixProduct<T>& p) {
  const int64_t step = kRowsInPlace / 2;
  const bool quick = p.ep.quick();
  parallel_for(ceil_div(p.M, step), p.work() + double(p.M) * p.N, [&](int64_t task, int) {
    const int64_t i = task * step, rows = least(step, p.M - i);
    T* c = p.c + i * p.N;
    const Kernels<T>& kn = kernels<T>();
    kn.gemm_strip(p.K, p.a_at(i, 0), p.ars, p.acs, p.b, p.brs, kn.nr, c, p.N, int(rows), p.N, false,
                  quick ? &p.ep : nullptr);
    if (p.ep.any() && !quick) kn.epilogue(rows, p.N, c, p.N, p.ep.at(i, 0));
  });
}

template <class T>
void multiply_tall(const MatrixProduct<T>& p, T* workspace) {
  const int64_t items = run_items(p);
  parallel_for(ceil_div(p.M, kFewRows), p.work(), [&](int64_t task, int worker) {
    Rows<T>::multiply(some_rows(p, task * kFewRows), workspace + worker * items);
  });
}

// Room for the results of all pieces.
template <class T>
int64_t results_items(const MatrixProduct<T>& p) {
  return ceil_div(p.K, kPiece) * round_up(p.M * p.N, 16);
}

template <class T>
void multiply_deep(const MatrixProduct<T>& p, T* workspace) {
  const int64_t pieces = ceil_div(p.K, kPiece), result = round_up(p.M * p.N, 16);
  const int64_t items = piece_items(p, workspace);
  T* scratch = workspace + results_items(p);
  parallel_for(pieces, p.work(), [&](int64_t t, int worker) {
    Rows<T>::multiply(one_piece(p, t * kPiece, workspace + t * result), scratch + worker * items);
  });
  parallel_for(p.M, double(pieces) * p.M * p.N, [&](int64_t i, int) {
    T* row = workspace + i * p.N;
    for (int64_t t = 1; t < pieces; ++t) add_block(1, p.N, row + t * result, p.N, row, p.N);
    T* c = p.c + i * p.N;
    for (int64_t j = 0; j < p.N; ++j) c[j] = row[j];
    if (p.ep.any()) kernels<T>().epilogue(1, p.N, c, p.N, p.ep.at(i, 0));
  });
}

// One column is one row of the transposed product; but B in panels is no A.
template <class T>
bool is_column(const MatrixProduct<T>& p) {
  return p.N == 1 && p.M > 1 && !p.panels;
}

template <class T>
MatrixProduct<T> as_row(const MatrixProduct<T>& p) {
  MatrixProduct<T> q = p;
  q.M = p.N, q.N = p.M;
  q.a = p.b, q.ars = p.bcs, q.acs = p.brs;
  q.b = p.a, q.brs = p.acs, q.bcs = p.ars;
  q.ep.row_bias = p.ep.col_bias, q.ep.col_bias = p.ep.row_bias;
  q.ep.residual_rs = p.ep.residual_cs, q.ep.residual_cs = p.ep.residual_rs;
  return q;
}

// Elements of workspace of one product.
template <class T>
int64_t gemm_items(const MatrixProduct<T>& p, int workers) {
  if (is_column(p)) return gemm_items(as_row(p), workers);
  switch (gemm_path(p)) {
    case GemmPath::row:
      return Row<T>::items(p);
    case GemmPath::rows:
      return Rows<T>::items(p, workers);
    case GemmPath::shallow:
      return 0;
    case GemmPath::turned:
      return Turned<T>::items(p, workers);
    case GemmPath::tall:
      return workers * run_items(p);
    case GemmPath::deep:
      return results_items(p) + workers * piece_items(p, p.c);
    case GemmPath::blocks:
      return Blocks<T>::items(p, workers);
  }
  return 0;
}

template <class T>
void gemm(const MatrixProduct<T>& p, T* workspace) {
  if (is_column(p)) return gemm(as_row(p), workspace);
  switch (gemm_path(p)) {
    case GemmPath::row:
      return Row<T>::multiply(p, workspace);
    case GemmPath::rows:
      return Rows<T>::multiply(p, workspace);
    case GemmPath::shallow:
      return multiply_shallow(p);
    case GemmPath::turned:
      return Turned<T>::multiply(p, workspace);
    case GemmPath::tall:
      return multiply_tall(p, workspace);
    case GemmPath::deep:
      return multiply_deep(p, workspace);
    case GemmPath::blocks:
      return Blocks<T>::multiply(p, workspace);
  }
}

}  // namespace nnf
