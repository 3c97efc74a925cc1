#include "ops/registry.h"

#include <type_traits>

#include "ops/attrs.h"

namespace nnf {

namespace {

template <class A>
constexpr size_t attrs_size = std::is_empty_v<A> ? 0 : sizeof(A);

constexpr OpInfo kOps[] = {
#define NNF_MAP(name, arity, types, expr) \
  {#name, ops::map, nullptr, sizeof(MapAttrs), MAPPED, int(Map::name)},
#define NNF_COMPARE(name, expr) {#name, ops::compare, nullptr, 0, MAPPED, int(Compare::name)},
#include "kernels/elementwise.def"
#define NNF_OP(name, attrs, inputs) {#name, ops::name, nullptr, attrs_size<attrs>, inputs, 0},
#define NNF_OP_WITH_WORKSPACE(name, attrs, inputs) \
  {#name, ops::name, ops::name##_workspace, attrs_size<attrs>, inputs, 0},
#include "ops/ops.def"
};

}  // namespace

const OpInfo* op_table() { return kOps; }
int op_count() { return int(sizeof kOps / sizeof kOps[0]); }

}  // namespace nnf
