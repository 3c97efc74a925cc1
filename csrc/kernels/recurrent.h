// Cells of recurrent layers: what follows the matrix product of one step, for some rows of the
// batch. A row of gates holds them one behind the other, n elements each.
#pragma once

#include "simd/math.h"
#include "simd/vec.h"

namespace nnf {
namespace {

// gates: in, what the functions are taken of; out, i = sigmoid, f = sigmoid, g = tanh,
// o = sigmoid. c = f c + i g and h = o tanh(c), in place.
template <class T>
void lstm_cell(int64_t rows, int64_t n, T* gates, T* c, T* h) {
  for (int64_t r = 0; r < rows; ++r, gates += 4 * n, c += n, h += n)
    for_lanes<T>(n, [&](int64_t j, int k) __attribute__((always_inline)) {
      const vec<T> i = sigmoid(load_k<T>(gates + j, k));
      const vec<T> f = sigmoid(load_k<T>(gates + n + j, k));
      const vec<T> g = tanh(load_k<T>(gates + 2 * n + j, k));
      const vec<T> o = sigmoid(load_k<T>(gates + 3 * n + j, k));
      const vec<T> cell = fma(f, load_k<T>(c + j, k), i * g);
      store_k<T>(gates + j, i, k);
      store_k<T>(gates + n + j, f, k);
      store_k<T>(gates + 2 * n + j, g, k);
      store_k<T>(gates + 3 * n + j, o, k);
      store_k<T>(c + j, cell, k);
      store_k<T>(h + j, o * tanh(cell), k);
    });
}

// gates as lstm_cell left them, c_prev what c was before, dy and dh two parts of the gradient of
// h. dx: that of what the gates are taken of; dc, in place, that of c, then of c_prev.
template <class T>
void lstm_cell_backward(int64_t rows, int64_t n, const T* gates, const T* c_prev, const T* dy,
                        const T* dh, T* dc, T* dx) {
  for (int64_t r = 0; r < rows;
       ++r, gates += 4 * n, dx += 4 * n, c_prev += n, dy += n, dh += n, dc += n)
    for_lanes<T>(n, [&](int64_t j, int k) __attribute__((always_inline)) {
      const vec<T> i = load_k<T>(gates + j, k), f = load_k<T>(gates + n + j, k);
      const vec<T> g = load_k<T>(gates + 2 * n + j, k), o = load_k<T>(gates + 3 * n + j, k);
      const vec<T> before = load_k<T>(c_prev + j, k);
      const vec<T> t = tanh(fma(f, before, i * g));
      const vec<T> dhj = load_k<T>(dy + j, k) + load_k<T>(dh + j, k);
      const vec<T> dcj = fma(dhj * o, 1 - t * t, load_k<T>(dc + j, k));
      store_k<T>(dx + j, dcj * g * i * (1 - i), k);
      store_k<T>(dx + n + j, dcj * before * f * (1 - f), k);
      store_k<T>(dx + 2 * n + j, dcj * i * (1 - g * g), k);
      store_k<T>(dx + 3 * n + j, dhj * t * o * (1 - o), k);
      store_k<T>(dc + j, dcj * f, k);
    });
}

// x: the input's part of r, z and n. gates: in, the state's part of the same; out, r = sigmoid,
// z = sigmoid, the state's part q of n, n = tanh(x_n + r q). h = n + z (h - n), in place.
template <class T>
void gru_cell(int64_t rows, int64_t n, const T* x, T* gates, T* h) {
  for (int64_t row = 0; row < rows; ++row, x += 3 * n, gates += 4 * n, h += n)
    for_lanes<T>(n, [&](int64_t j, int k) __attribute__((always_inline)) {
      const vec<T> r = sigmoid(load_k<T>(x + j, k) + load_k<T>(gates + j, k));
      const vec<T> z = sigmoid(load_k<T>(x + n + j, k) + load_k<T>(gates + n + j, k));
      const vec<T> q = load_k<T>(gates + 2 * n + j, k);
      const vec<T> fresh = tanh(fma(r, q, load_k<T>(x + 2 * n + j, k)));
      store_k<T>(gates + j, r, k);
      store_k<T>(gates + n + j, z, k);
      store_k<T>(gates + 3 * n + j, fresh, k);
      store_k<T>(h + j, fma(z, load_k<T>(h + j, k) - fresh, fresh), k);
    });
}

// gates as gru_cell left them, h_prev what h was before. dx and ds: gradients of x and of the
// state's part; dh, in place, that of h (dy is another part of it), then what of it passes by the
// gates to h_prev.
template <class T>
void gru_cell_backward(int64_t rows, int64_t n, const T* gates, const T* h_prev, const T* dy, T* dh,
                       T* dx, T* ds) {
  for (int64_t row = 0; row < rows;
       ++row, gates += 4 * n, dx += 3 * n, ds += 3 * n, h_prev += n, dy += n, dh += n)
    for_lanes<T>(n, [&](int64_t j, int k) __attribute__((always_inline)) {
      const vec<T> r = load_k<T>(gates + j, k), z = load_k<T>(gates + n + j, k);
      const vec<T> q = load_k<T>(gates + 2 * n + j, k), fresh = load_k<T>(gates + 3 * n + j, k);
      const vec<T> dhj = load_k<T>(dy + j, k) + load_k<T>(dh + j, k);
      const vec<T> dn = dhj * (1 - z) * (1 - fresh * fresh);
      const vec<T> dz = dhj * (load_k<T>(h_prev + j, k) - fresh) * z * (1 - z);
      const vec<T> dr = dn * q * r * (1 - r);
      store_k<T>(dx + j, dr, k);
      store_k<T>(dx + n + j, dz, k);
      store_k<T>(dx + 2 * n + j, dn, k);
      store_k<T>(ds + j, dr, k);
      store_k<T>(ds + n + j, dz, k);
      store_k<T>(ds + 2 * n + j, dn * r, k);
      store_k<T>(dh + j, dhj * z, k);
    });
}

}  // namespace
}  // namespace nnf
