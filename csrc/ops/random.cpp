// Random numbers and dropout. The last input is rng, the int64 vector {seed, offset}.
#include <cmath>
#include <cstring>
#include <type_traits>

#include "base/parallel.h"
#include "base/philox.h"
#include "kernels/table.h"
#include "ops/attrs.h"
#include "ops/registry.h"

namespace nnf {

namespace {

constexpr int64_t kTaskGroups = 128;  // word groups of a task
constexpr double kWordCost = 4;

// Calls f(first element, elements, first word group) for the parts of n elements.
template <class F>
void for_groups(int64_t n, int64_t per_group, F&& f) {
  const int64_t block = kTaskGroups * per_group;
  parallel_for(ceil_div(n, block), double(n) * kWordCost, [&](int64_t task, int) {
    const int64_t i = task * block;
    f(i, n - i < block ? n - i : block, task * kTaskGroups);
  });
}

template <class T, class Kernel>
void fill(const OpArgs& args, Kernel kernel) {
  const int64_t* rng = args.in[0].ptr<int64_t>();
  T* y = args.out[0].ptr<T>();
  for_groups(args.out[0].size, kPhiloxWords * 4 / int64_t(sizeof(T)),
             [&](int64_t i, int64_t n, int64_t group) { kernel(n, y + i, rng, group); });
}

template <class T>
void run_dropout(const OpArgs& args, double p) {
  const View& x = args.in[0];
  const int64_t* rng = args.in[1].ptr<int64_t>();
  T* y = args.out[0].ptr<T>();
  // A word, signed, is below the bound with probability p.
  const double bound = std::nearbyint(p * 0x1p32) - 0x1p31;
  const int32_t signed_bound = int32_t(bound < INT32_MAX ? bound : INT32_MAX);
  for_groups(x.size, kPhiloxWords, [&](int64_t i, int64_t n, int64_t group) {
    kernels<T>().dropout(n, x.ptr<T>() + i, y + i, rng, group, signed_bound, 1 / (1 - p));
  });
}

}  // namespace

namespace ops {

void uniform(const OpArgs& args) {
  if (args.out[0].dtype == DType::i64) return fill<int64_t>(args, kernels<int64_t>().uniform);
  for_float(args.out[0].dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    fill<T>(args, kernels<T>().uniform);
  });
}

void normal(const OpArgs& args) {
  for_float(args.out[0].dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    fill<T>(args, kernels<T>().normal);
  });
}

void dropout(const OpArgs& args) {
  const double p = args.attributes<DropoutAttrs>().p;
  const View& y = args.out[0];
  if (p == 1) {
    if (y.size) std::memset(y.data, 0, size_t(y.size * item_size(y.dtype)));
    return;
  }
  for_float(y.dtype, [&](auto* t) { run_dropout<std::remove_pointer_t<decltype(t)>>(args, p); });
}

}  // namespace ops

}  // namespace nnf
