// The list of ops. An op is a function of OpArgs: it allocates nothing, throws nothing, knows
// nothing of Python, and trusts its arguments (the records of nnfast/ops have checked them).
#pragma once

#include <cstddef>

#include "base/view.h"

namespace nnf {

// What an op reads; see ops.def.
enum InputLayout : uint8_t { STRIDED, MAPPED, DENSE, REDUCED, ALONG };
constexpr bool takes_strides(InputLayout inputs) { return inputs < DENSE; }

struct OpInfo {
  const char* name;
  void (*run)(const OpArgs&);
  int64_t (*workspace)(const OpArgs&);  // bytes; null: none
  size_t attrs_size;                    // of its struct of attrs.h; 0: none
  InputLayout inputs;
  int variant;  // which map, comparison, ... of a family
};

// All ops; the index is the op's id.
const OpInfo* op_table();
int op_count();

namespace ops {
#define NNF_OP(name, attrs, inputs) void name(const OpArgs&);
#define NNF_OP_WITH_WORKSPACE(name, attrs, inputs) \
  void name(const OpArgs&);                        \
  int64_t name##_workspace(const OpArgs&);
#include "ops/ops.def"

void map(const OpArgs&);      // every NNF_MAP of kernels/elementwise.def
void compare(const OpArgs&);  // every NNF_COMPARE
}  // namespace ops

}  // namespace nnf
