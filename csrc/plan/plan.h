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
  int first;  // of its arguments: inputs, then outputs
  int n_in, n_out;
  int64_t attrs;  // where its attributes start
};

// An argument to be looked at, after an instruction.
struct FiniteCheck {
  int after, argument;
};

// What plans for batches of other sizes have in common.
struct Program {
  std::vector<Instruction> code;
  std::vector<int> arguments;  // the operand that each is; those of `watched` stand last
  int buffers, commit, watched;
  int64_t arena;
  std::vector<std::vector<int>> users;  // of each buffer: its arguments
  std::vector<FiniteCheck> checks;      // in the order of `after`
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
  // Finds `users` and `checks` of the program.
  Plan(Program program, std::vector<Operand> operands, std::vector<char> attrs);
  // The same instructions on operands of other shapes, which lie within those of `like`.
  Plan(const Plan& like, std::vector<Operand> operands, std::vector<char> attrs);
  ~Plan();

  // A context that nobody uses; throws std::bad_alloc.
  std::unique_ptr<Context> acquire();
  void release(std::unique_ptr<Context> context);

  const std::vector<Instruction>& code() const { return program_->code; }
  const std::vector<Operand>& operands() const { return operands_; }
  const std::vector<char>& attrs() const { return attrs_; }
  int commit() const { return program_->commit; }

 private:
  friend class Context;
  OpArgs args(const Instruction& i, const View* views) const;
  bool touches(const Program& program, const Instruction& i, const Operand& o) const;
  // The number of the last instruction that does; -1: none before the commit.
  int last_to_touch(const Program& program, const Operand& o) const;
  const Operand& operand(const Program& program, size_t argument) const {
    return operands_[size_t(program.arguments[argument])];
  }

  std::vector<Operand> operands_;
  std::vector<char> attrs_;
  std::shared_ptr<const Program> program_;
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
  const Program& program_;
  std::vector<View> views_;  // of the arguments
  std::vector<void*> bound_;
  std::vector<OpArgs> calls_;
  void* workspace_ = nullptr;
  // What the workspace was measured for.
  int threads_ = 0;
  const Isa* isa_ = nullptr;
  int64_t workspace_bytes_ = 0;
};

}  // namespace nnf
