// A plan: a flat list of instructions over buffers whose sizes are known before the first run.
//
// A step is committed only if its numbers are finite: the first `commit` instructions change
// nothing that outlives the run. The watched operands are looked at as soon as the last of these is
// done with them, while they are in the caches; unless they are all finite the rest (updates of
// parameters, running statistics) does not run.
//
// Buffer 0 is the arena; the others belong to somebody else (inputs, parameters, outputs) and are
// given anew to each run. Running allocates nothing, throws nothing and knows nothing of Python.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/buffer.h"
#include "isa/choose.h"
#include "ops/registry.h"

namespace nnf {

// Bytes from the first element to behind the last; strides are not negative.
int64_t extent(const View& v);

struct Operand {
  int buffer;      // < 0: an absent optional argument
  int64_t offset;  // bytes
  View view;       // all but its data
};

struct Instruction {
  const OpInfo* op;
  int first;  // of its operands: inputs, then outputs
  int n_in, n_out;
  int64_t attrs;  // where its attributes start
};

// An operand to be looked at, after an instruction.
struct FiniteCheck {
  int after, operand;
};

// Memory for runs: an arena and a workspace for each that is under way. Plans that share it need
// as much as the largest of them, not the sum.
struct Memory {
  Buffer arena, workspace;
};
class Arenas {
 public:
  std::unique_ptr<Memory> acquire();
  void release(std::unique_ptr<Memory> memory);

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Memory>> idle_;
};

// What one run at a time needs besides memory: the operands with their addresses.
class Context;

class Plan {
 public:
  Plan(std::vector<Instruction> code, std::vector<Operand> operands, std::vector<char> attrs,
       int buffers, int64_t arena, int commit, int watched);  // the watched operands stand last
  // The same instructions on operands of other shapes, which lie within those of `like`.
  Plan(const Plan& like, std::vector<Operand> operands, std::vector<char> attrs);
  ~Plan();

  // A context that nobody uses; throws std::bad_alloc.
  std::unique_ptr<Context> acquire();
  void release(std::unique_ptr<Context> context);

  const std::vector<Instruction>& code() const { return code_; }
  const std::vector<Operand>& operands() const { return operands_; }
  const std::vector<char>& attrs() const { return attrs_; }
  int commit() const { return commit_; }

 private:
  friend class Context;
  OpArgs args(const Instruction& i, const View* views) const;
  bool touches(const Instruction& i, const Operand& o) const;
  void check(int operand);

  std::vector<Instruction> code_;
  std::vector<Operand> operands_;
  std::vector<char> attrs_;
  std::vector<std::vector<int>> users_;  // of each buffer: its operands
  std::vector<FiniteCheck> checks_;      // in the order of `after`
  int64_t arena_;
  int commit_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Context>> idle_;
};

class Context {
 public:
  explicit Context(const Plan& plan);

  // The memory of a buffer other than the arena.
  void bind(int buffer, void* data) {
    if (bound_[buffer] != data) rebind(buffer, data);
  }
  // Use this memory, with the present number of threads; throws std::bad_alloc.
  void prepare(Memory& memory);
  // False, and nothing committed, if a watched operand is not finite.
  // `first`: the instruction with which to begin.
  bool run(int first);
  // As run, and adds the seconds of each instruction to `seconds`.
  bool run_timed(int first, double* seconds);
  // One instruction, for those who want to look at each: its arguments, and then their memory.
  const OpArgs& call(int i) const { return calls_[size_t(i)]; }
  void run_one(int i);
  int64_t workspace() const { return workspace_bytes_; }

 private:
  void rebind(int buffer, void* data);
  // Looks at what is watched from `next` on, as far as it is after instruction i.
  bool finite(int i, size_t* next) const;

  const Plan& plan_;
  std::vector<View> views_;
  std::vector<void*> bound_;
  std::vector<OpArgs> calls_;
  void* workspace_ = nullptr;
  // What the workspace was measured for.
  int threads_ = 0;
  const Isa* isa_ = nullptr;
  int64_t workspace_bytes_ = 0;
};

}  // namespace nnf
