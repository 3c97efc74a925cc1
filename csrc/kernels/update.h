// Updates of parameters, in place, in one pass over memory. Multiplications and additions stand
// apart (no fma), so an update has the same bits on every ISA.
#pragma once

#include "kernels/table.h"
#include "simd/vec.h"

namespace nnf {
namespace {

// g = grad (-grad if maximize) + weight_decay param; with a buffer (may be null):
// buffer = g on the first step, else momentum buffer + (1 - dampening) g;
// g = g + momentum buffer (nesterov), else buffer. param -= lr g.
template <class T>
void sgd_update(int64_t n, T* param, const T* grad, T* buffer, const SgdHyper& h) {
  const T lr = T(-h.lr), momentum = T(h.momentum), fresh = T(1 - h.dampening);
  const T decay = T(h.weight_decay), sign = h.maximize ? T(-1) : T(1);
  const bool first = h.first != 0, nesterov = h.nesterov != 0;
  auto step = [&](int64_t i, int r) __attribute__((always_inline)) {
    vec<T> p = load_k<T>(param + i, r), g = load_k<T>(grad + i, r) * sign;
    if (decay != 0) g = g + decay * p;
    if (buffer) {
      const vec<T> b = first ? g : momentum * load_k<T>(buffer + i, r) + fresh * g;
      store_k<T>(buffer + i, b, r);
      g = nesterov ? g + momentum * b : b;
    }
    store_k<T>(param + i, p + lr * g, r);
  };
  for_lanes<T>(n, step);
}

// g = grad (-grad if maximize) + weight_decay param; if decoupled instead
// param -= lr weight_decay param. Then, c1 and c2 the bias corrections:
// m += (1 - beta1) (g - m), v = beta2 v + (1 - beta2) g g, w = max(w, v) if w is not null,
// param -= lr / c1 m / (sqrt(w or v) / sqrt(c2) + eps), the fraction expanded by sqrt(c2) to save
// a division.
template <class T>
void adam_update(int64_t n, T* param, const T* grad, T* m, T* v, T* w, const AdamHyper& h) {
  const double root = __builtin_sqrt(h.bias_correction2);
  const T rate = T(-h.lr / h.bias_correction1 * root), eps = T(h.eps * root);
  const T beta1 = T(1 - h.beta1), beta2 = T(h.beta2), fresh = T(1 - h.beta2);
  const T sign = h.maximize ? T(-1) : T(1);
  const T decay = h.decoupled ? T(0) : T(h.weight_decay);
  const T shrink = h.decoupled ? T(1 - h.lr * h.weight_decay) : T(1);
  auto step = [&](int64_t i, int r) __attribute__((always_inline)) {
    vec<T> p = load_k<T>(param + i, r) * shrink, g = load_k<T>(grad + i, r) * sign;
    if (decay != 0) g = g + decay * p;
    vec<T> mi = load_k<T>(m + i, r), vi = load_k<T>(v + i, r);
    mi = mi + beta1 * (g - mi);
    vi = beta2 * vi + fresh * g * g;
    store_k<T>(m + i, mi, r);
    store_k<T>(v + i, vi, r);
    if (w) {
      vi = max(load_k<T>(w + i, r), vi);
      store_k<T>(w + i, vi, r);
    }
    store_k<T>(param + i, p + rate * mi / (sqrt(vi) + eps), r);
  };
  for_lanes<T>(n, step);
}

}  // namespace
}  // namespace nnf
