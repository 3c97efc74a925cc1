// Every kernel, and the table of one ISA: included by isa/<isa>.cpp and nowhere else.
#pragma once

#include "kernels/channels.h"
#include "kernels/conv.h"
#include "kernels/copy.h"
#include "kernels/depthwise.h"
#include "kernels/direct.h"
#include "kernels/direct_weight.h"
#include "kernels/elementwise.h"
#include "kernels/epilogue.h"
#include "kernels/finite.h"
#include "kernels/gather.h"
#include "kernels/gemm.h"
#include "kernels/norm.h"
#include "kernels/pool.h"
#include "kernels/probe.h"
#include "kernels/random.h"
#include "kernels/rearrange.h"
#include "kernels/recurrent.h"
#include "kernels/reduce.h"
#include "kernels/scan.h"
#include "kernels/softmax.h"
#include "kernels/table.h"
#include "kernels/update.h"
#include "kernels/winograd.h"
#include "kernels/winograd_gradient.h"

namespace nnf {
namespace {

enum Types { FLOAT, WHOLE, ALL };

template <class T>
constexpr bool has_kernel(Types t) {
  return t == ALL || (t == FLOAT) == (T(0.5) != T(0));
}

template <class T>
constexpr Kernels<T> make_kernels() {
  Kernels<T> k{};
#define NNF_MAP(name, arity, types, expr) \
  if constexpr (has_kernel<T>(types)) k.map[int(Map::name)] = map_##name<T>;
#include "kernels/elementwise.def"
#define NNF_COMPARE(name, expr) k.compare[int(Compare::name)] = compare_##name<T>;
#include "kernels/elementwise.def"
#define NNF_KERNEL(types, name, ret, args) \
  if constexpr (has_kernel<T>(types)) k.name = name<T>;
#include "kernels/kernels.def"
  if constexpr (has_kernel<T>(FLOAT)) {
    k.mr = kMR<T>;
    k.nr = kNR<T>;
    k.direct_rows = kDirectRows<T>;
  }
  k.lanes = kLanes<T>;
  return k;
}

}  // namespace

#define NNF_TABLE_OF(isa) NNF_TABLE_OF_(isa)
#define NNF_TABLE_OF_(isa) kernels_##isa
// A constant: nothing of this file runs before the ISA is chosen.
constexpr KernelTable NNF_TABLE_OF(NNF_ISA) = {make_kernels<float>(), make_kernels<double>(),
                                               make_kernels<int64_t>()};

}  // namespace nnf
