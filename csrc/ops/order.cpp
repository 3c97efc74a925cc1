#include "ops/order.h"

#include <cstring>

namespace nnf {

namespace {

// Of dimension d of ndim, to which v is broadcast.
int64_t stride_at(const View& v, int ndim, int d) {
  const int e = d - (ndim - v.ndim);
  return e < 0 || v.shape[e] == 1 ? 0 : v.stride[e];
}

// Dimensions by falling strides, those of one element where they are; empty if that is C's order,
// or v is not in memory once.
Order falling(const View& v) {
  Order order;
  int place[kMaxDims], n = 0;
  bool moved = false;
  for (int d = 0; d < v.ndim; ++d) {
    order.dim[d] = d;
    if (v.shape[d] == 1) continue;
    if (v.stride[d] <= 0) return {};
    int i = n;
    for (; i > 0 && v.stride[order.dim[place[i - 1]]] < v.stride[d]; --i) moved = true;
    place[n] = d;
    for (int k = n++; k > i; --k) order.dim[place[k]] = order.dim[place[k - 1]];
    order.dim[place[i]] = d;
  }
  if (moved) order.ndim = v.ndim;
  return order;
}

// Whether the strides of v fall in that order, where it is not broadcast.
bool suits(const View& v, const Order& order) {
  int64_t before = INT64_MAX;
  for (int i = 0; i < order.ndim; ++i) {
    const int64_t stride = stride_at(v, order.ndim, order.dim[i]);
    if (stride < 0 || stride > before) return false;
    if (stride) before = stride;
  }
  return true;
}

bool has_shape(const View& v, const View& like) {
  return v && v.ndim == like.ndim && !std::memcmp(v.shape, like.shape, sizeof(int64_t) * v.ndim);
}

// The input that says in which order they all might lie.
const View* leading(const OpInfo& op, const View* in, int n_in, const View& out) {
  if (op.inputs != MAPPED) return in;
  for (int k = 0; k < n_in; ++k)
    if (has_shape(in[k], out)) return in + k;
  return nullptr;
}

int place_of(const Order& order, int64_t dim) {
  int i = 0;
  while (order.dim[i] != dim) ++i;
  return i;
}

// The order without the dimensions of a mask.
Order without(const Order& order, int64_t mask) {
  Order rest;
  for (int i = 0; i < order.ndim; ++i) {
    if (mask >> order.dim[i] & 1) continue;
    int less = 0;
    for (int d = 0; d < order.dim[i]; ++d) less += mask >> d & 1;
    rest.dim[rest.ndim++] = order.dim[i] - less;
  }
  return rest;
}

}  // namespace

Turned turned(const OpInfo& op, const View* in, int n_in, const View& out, const void* attrs) {
  Turned t;
  if (op.inputs == STRIDED || op.inputs == DENSE || op.attrs_size > kTurnedAttrs) return t;
  const View* first = leading(op, in, n_in, out);
  if (!first || first->ndim < 2 || first->size == 0) return t;
  const Order order = falling(*first);
  if (!order || (op.inputs != MAPPED && out.ndim > order.ndim)) return t;  // stack adds one
  for (int k = 0; k < n_in; ++k) {
    const bool fits = op.inputs == MAPPED ? in[k].ndim <= order.ndim : in[k].ndim == order.ndim;
    if (in[k] && !(fits && suits(in[k], order))) return t;
  }
  t.inputs = t.outputs = order;
  if (op.attrs_size) std::memcpy(t.attrs, attrs, op.attrs_size);
  if (op.inputs == MAPPED) return t;
  int64_t first_attr, there = 0;
  std::memcpy(&first_attr, attrs, sizeof first_attr);
  const int64_t mask = op.inputs == REDUCED ? first_attr : int64_t(1) << first_attr;
  if (op.inputs == ALONG) there = place_of(order, first_attr);
  for (int d = 0; op.inputs == REDUCED && d < order.ndim; ++d)
    if (mask >> d & 1) there |= int64_t(1) << place_of(order, d);
  std::memcpy(t.attrs, &there, sizeof there);
  if (out.ndim < order.ndim) t.outputs = without(order, mask);
  return t;
}

View turned(const View& v, const Order& order) {
  if (!v) return v;
  View t = v;
  t.ndim = order.ndim;
  for (int i = 0; i < order.ndim; ++i) {
    const int e = order.dim[i] - (order.ndim - v.ndim);
    t.shape[i] = e < 0 ? 1 : v.shape[e];
    t.stride[i] = e < 0 ? 0 : v.stride[e];
  }
  return t;
}

}  // namespace nnf
