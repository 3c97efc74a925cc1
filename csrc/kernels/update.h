// Updates of parameters, in place, in one pass over memory. Multiplications and additions stand
// apart (no fma), so an update has the same bits on every ISA.
#pragma once

#include "kernels/table.h"
#include "simd/vec.h"

namespace nnf {
namespace {

// Vector i of a gradient: as it lies in memory or, of a row of an outer product, as gemm.h has it.
template <class T>
NNF_INLINE vec<T> gradient(const RowGradient<T>& g, int64_t i, int r) {
  return g.row ? fma(set1<T>(*g.grad), load_k<T>(g.row + i, r), vec<T>{})
               : load_k<T>(g.grad + i, r);
}

// g = grad (-grad if maximize) + weight_decay param; with a buffer (may be null):
// buffer = g on the first step, else momentum buffer + (1 - dampening) g;
// g = g + momentum buffer (nesterov), else buffer. param -= lr g.
template <class T>
void sgd_update(int64_t n, T* param, const RowGradient<T>& grad, T* buffer, const SgdHyper& h) {
  const T lr = T(-h.lr), momentum = T(h.momentum), fresh = T(1 - h.dampening);
  const T decay = T(h.weight_decay), sign = h.maximize ? T(-1) : T(1);
  const bool first = h.first != 0, nesterov = h.nesterov != 0;
  auto step = [&, grad](int64_t i, int r) __attribute__((always_inline)) {
    vec<T> p = load_k<T>(param + i, r), g = gradient<T>(grad, i, r) * sign;
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
void adam_update(int64_t n, T* param, const RowGradient<T>& grad, T* m, T* v, T* w,
                 const AdamHyper& h) {
  const double root = __builtin_sqrt(h.bias_correction2);
  const T rate = T(-h.lr / h.bias_correction1 * root), eps = T(h.eps * root);
  const T beta1 = T(1 - h.beta1), beta2 = T(h.beta2), fresh = T(1 - h.beta2);
  const T sign = h.maximize ? T(-1) : T(1);
  const T decay = h.decoupled ? T(0) : T(h.weight_decay);
  const T shrink = h.decoupled ? T(1 - h.lr * h.weight_decay) : T(1);
  auto step = [&, grad](int64_t i, int r) __attribute__((always_inline)) {
    vec<T> p = load_k<T>(param + i, r) * shrink, g = gradient<T>(grad, i, r) * sign;
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

// The updates below share their frame: g = sign grad + decay param, param *= shrink, then
// param = f(param, g, s), where s are N vectors of the states, which f may change; an absent one
// is 0 and is not stored.
template <int N, class T, class F>
NNF_INLINE void update(const UpdateArgs<T>& u, F f) {
  const T sign = T(u.h.sign), decay = T(u.h.decay), shrink = T(u.h.shrink);
  T *const param = u.param, *state[N];
  const T* const grad = u.grad;
  for (int k = 0; k < N; ++k) state[k] = u.state[k];
  auto step = [&](int64_t i, int r) __attribute__((always_inline)) {
    vec<T> p = load_k<T>(param + i, r), g = load_k<T>(grad + i, r) * sign, s[N];
    if (decay != 0) g = g + decay * p;
    for (int k = 0; k < N; ++k) s[k] = state[k] ? load_k<T>(state[k] + i, r) : vec<T>{};
    store_k<T>(param + i, f(p * shrink, g, s), r);
    for (int k = 0; k < N; ++k)
      if (state[k]) store_k<T>(state[k] + i, s[k], r);
  };
  for_lanes<T>(u.n, step);
}

// s += g g; param -= lr g / (sqrt(s) + eps).
template <class T>
void adagrad_update(const UpdateArgs<T>& u) {
  const T lr = T(u.h.lr), eps = T(u.h.eps);
  auto f = [&](vec<T> p, vec<T> g, vec<T>* s) __attribute__((always_inline)) {
    s[0] = s[0] + g * g;
    return p - lr * g / (sqrt(s[0]) + eps);
  };
  update<1>(u, f);
}

// s = beta2 s + (1 - beta2) g g; d = g sqrt(a + eps) / sqrt(s + eps);
// a = beta2 a + (1 - beta2) d d; param -= lr d.
template <class T>
void adadelta_update(const UpdateArgs<T>& u) {
  const T lr = T(u.h.lr), eps = T(u.h.eps), keep = T(u.h.beta2), fresh = T(1 - u.h.beta2);
  auto f = [&](vec<T> p, vec<T> g, vec<T>* s) __attribute__((always_inline)) {
    s[0] = keep * s[0] + fresh * g * g;
    const vec<T> d = sqrt(s[1] + eps) / sqrt(s[0] + eps) * g;
    s[1] = keep * s[1] + fresh * d * d;
    return p - lr * d;
  };
  update<2>(u, f);
}

// s = beta2 s + (1 - beta2) g g, v = s; with a mean m (may be null): m += (1 - beta2) (g - m),
// v = s - m m; d = g / (sqrt(v) + eps); with a buffer b (may be null): d = b = beta1 b + d;
// param -= lr d.
template <class T>
void rmsprop_update(const UpdateArgs<T>& u) {
  const T lr = T(u.h.lr), eps = T(u.h.eps), momentum = T(u.h.beta1);
  const T keep = T(u.h.beta2), fresh = T(1 - u.h.beta2);
  const bool centered = u.state[1], with_momentum = u.state[2];
  auto f = [&](vec<T> p, vec<T> g, vec<T>* s) __attribute__((always_inline)) {
    s[0] = keep * s[0] + fresh * g * g;
    vec<T> v = s[0];
    if (centered) {
      s[1] = s[1] + fresh * (g - s[1]);
      v = v - s[1] * s[1];
    }
    const vec<T> d = g / (sqrt(v) + eps);
    s[2] = momentum * s[2] + d;
    return p - lr * (with_momentum ? s[2] : d);
  };
  update<3>(u, f);
}

// m += (1 - beta1) (g - m); s = max(beta2 s, |g| + eps); param -= lr m / s.
template <class T>
void adamax_update(const UpdateArgs<T>& u) {
  const T lr = T(u.h.lr), eps = T(u.h.eps), beta1 = T(1 - u.h.beta1), beta2 = T(u.h.beta2);
  auto f = [&](vec<T> p, vec<T> g, vec<T>* s) __attribute__((always_inline)) {
    s[0] = s[0] + beta1 * (g - s[0]);
    s[1] = max(beta2 * s[1], abs(g) + eps);
    return p - lr * s[0] / s[1];
  };
  update<2>(u, f);
}

// m += (1 - beta1) (g - m); v = beta2 v + (1 - beta2) g g;
// param -= (lr m + lr2 g) / (sqrt(v) + eps).
template <class T>
void nadam_update(const UpdateArgs<T>& u) {
  const T lr = T(u.h.lr), lr2 = T(u.h.lr2), eps = T(u.h.eps);
  const T beta1 = T(1 - u.h.beta1), beta2 = T(u.h.beta2), fresh = T(1 - u.h.beta2);
  auto f = [&](vec<T> p, vec<T> g, vec<T>* s) __attribute__((always_inline)) {
    s[0] = s[0] + beta1 * (g - s[0]);
    s[1] = beta2 * s[1] + fresh * g * g;
    return p - (lr * s[0] + lr2 * g) / (sqrt(s[1]) + eps);
  };
  update<2>(u, f);
}

// m += (1 - beta1) (g - m); v = beta2 v + (1 - beta2) g g;
// param -= lr m / (sqrt(v) + eps), or lr2 m as long as lr2 is not 0: the variance is not known yet.
template <class T>
void radam_update(const UpdateArgs<T>& u) {
  const T lr = T(u.h.lr), lr2 = T(u.h.lr2), eps = T(u.h.eps);
  const T beta1 = T(1 - u.h.beta1), beta2 = T(u.h.beta2), fresh = T(1 - u.h.beta2);
  const bool rectified = u.h.lr2 == 0;
  auto f = [&](vec<T> p, vec<T> g, vec<T>* s) __attribute__((always_inline)) {
    s[0] = s[0] + beta1 * (g - s[0]);
    s[1] = beta2 * s[1] + fresh * g * g;
    return p - (rectified ? lr * s[0] / (sqrt(s[1]) + eps) : lr2 * s[0]);
  };
  update<2>(u, f);
}

// From the gradient before, b, and the size d of a step: d is multiplied by beta2 where g b > 0, by
// beta1 where g b < 0, and kept from low to high; g = 0 where g b < 0; b = g;
// param -= d sign(g).
template <class T>
void rprop_update(const UpdateArgs<T>& u) {
  const vec<T> down = set1<T>(T(u.h.beta1)), up = set1<T>(T(u.h.beta2)), one = set1<T>(T(1));
  const vec<T> low = set1<T>(T(u.h.low)), high = set1<T>(T(u.h.high)), zero{};
  auto f = [&](vec<T> p, vec<T> g, vec<T>* s) __attribute__((always_inline)) {
    const vec<T> turn = g * s[0];
    s[1] = s[1] * (turn > 0 ? up : turn < 0 ? down : one);
    s[1] = min(max(s[1], low), high);
    g = turn < 0 ? zero : g;
    s[0] = g;
    return p - s[1] * (g > 0 ? one : g < 0 ? -one : g);
  };
  update<2>(u, f);
}

// param -= lr g; a += lr2 (param - a), the mean of the parameters.
template <class T>
void asgd_update(const UpdateArgs<T>& u) {
  const T lr = T(u.h.lr), lr2 = T(u.h.lr2);
  auto f = [&](vec<T> p, vec<T> g, vec<T>* s) __attribute__((always_inline)) {
    p = p - lr * g;
    s[0] = s[0] + lr2 * (p - s[0]);
    return p;
  };
  update<1>(u, f);
}

}  // namespace
}  // namespace nnf
