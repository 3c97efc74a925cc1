#include "plan/plan.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "base/fpu.h"
#include "base/parallel.h"
#include "kernels/table.h"

namespace nnf {

int64_t extent(const View& v) {
  if (v.size == 0) return 0;
  int64_t last = 0;
  for (int d = 0; d < v.ndim; ++d) last += (v.shape[d] - 1) * v.stride[d];
  return (last + 1) * item_size(v.dtype);
}

std::unique_ptr<Memory> Arenas::acquire() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (idle_.empty()) return std::make_unique<Memory>();
  std::unique_ptr<Memory> memory = std::move(idle_.back());
  idle_.pop_back();
  return memory;
}

void Arenas::release(std::unique_ptr<Memory> memory) {
  std::lock_guard<std::mutex> lock(mutex_);
  idle_.push_back(std::move(memory));
}

Plan::Plan(Program program, std::vector<Operand> operands, std::vector<char> attrs)
    : operands_(std::move(operands)), attrs_(std::move(attrs)) {
  const size_t n = program.arguments.size();
  program.users.resize(size_t(program.buffers));
  for (size_t i = 0; i < n; ++i)
    if (const int buffer = operand(program, i).buffer; buffer >= 0)
      program.users[size_t(buffer)].push_back(int(i));
  for (size_t i = n - size_t(program.watched); i < n; ++i)
    program.checks.push_back({last_to_touch(program, operand(program, i)), int(i)});
  std::stable_sort(program.checks.begin(), program.checks.end(),
                   [](const FiniteCheck& a, const FiniteCheck& b) { return a.after < b.after; });
  program_ = std::make_shared<const Program>(std::move(program));
}

Plan::Plan(const Plan& like, std::vector<Operand> operands, std::vector<char> attrs)
    : operands_(std::move(operands)), attrs_(std::move(attrs)), program_(like.program_) {}

namespace {

bool overlap(const Operand& a, const Operand& b) {
  auto end = [](const Operand& o) { return o.offset + extent(o.view); };
  return a.buffer == b.buffer && a.offset < end(b) && b.offset < end(a);
}

}  // namespace

bool Plan::touches(const Program& program, const Instruction& i, const Operand& o) const {
  const int* first = program.arguments.data() + i.first;
  return std::any_of(first, first + i.n_in + i.n_out,
                     [&](int a) { return overlap(operands_[size_t(a)], o); });
}

int Plan::last_to_touch(const Program& program, const Operand& o) const {
  int i = program.commit - 1;
  while (i >= 0 && !touches(program, program.code[size_t(i)], o)) --i;
  return i;
}

Plan::~Plan() = default;

std::unique_ptr<Context> Plan::acquire() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Context> context = std::move(idle_.back());
      idle_.pop_back();
      return context;
    }
  }
  return std::make_unique<Context>(*this);
}

void Plan::release(std::unique_ptr<Context> context) {
  std::lock_guard<std::mutex> lock(mutex_);
  idle_.push_back(std::move(context));
}

OpArgs Plan::args(const Instruction& i, const View* views) const {
  const View* in = views + i.first;
  return {i.op, in, i.n_in, in + i.n_in, i.n_out, attrs_.data() + i.attrs, nullptr};
}

Context::Context(const Plan& plan)
    : plan_(plan), program_(*plan.program_), bound_(size_t(program_.buffers), nullptr) {
  views_.reserve(program_.arguments.size());
  for (int a : program_.arguments) views_.push_back(plan.operands_[size_t(a)].view);
  for (const Instruction& i : program_.code) calls_.push_back(plan.args(i, views_.data()));
}

void Context::rebind(int buffer, void* data) {
  for (int i : program_.users[size_t(buffer)])
    views_[size_t(i)].data = static_cast<char*>(data) + plan_.operand(program_, size_t(i)).offset;
  bound_[buffer] = data;
}

void Context::prepare(Memory& memory) {
  bind(0, memory.arena.reserve(std::max<int64_t>(program_.arena, 64)));
  if (threads_ != num_threads() || isa_ != &current_isa()) {
    workspace_bytes_ = 0;
    for (const OpArgs& call : calls_)
      if (call.op->workspace)
        workspace_bytes_ = std::max(workspace_bytes_, call.op->workspace(call));
    threads_ = num_threads();
    isa_ = &current_isa();
  }
  void* workspace = memory.workspace.reserve(workspace_bytes_);
  if (workspace != workspace_)
    for (OpArgs& call : calls_) call.workspace = workspace;
  workspace_ = workspace;
}

namespace {

bool all_finite(const View& v) {
  constexpr int64_t kBlock = 1 << 15;
  std::atomic<bool> finite{true};
  for_float(v.dtype, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    parallel_for(ceil_div(v.size, kBlock), double(v.size), [&](int64_t i, int) {
      const int64_t n = std::min(kBlock, v.size - i * kBlock);
      if (!kernels<T>().all_finite(n, v.ptr<T>() + i * kBlock))
        finite.store(false, std::memory_order_relaxed);
    });
  });
  return finite;
}

}  // namespace

bool Context::finite(int i, size_t* next) const {
  const std::vector<FiniteCheck>& checks = program_.checks;
  for (; *next < checks.size() && checks[*next].after <= i; ++*next)
    if (!all_finite(views_[size_t(checks[*next].argument)])) return false;
  return true;
}

bool Context::run(int first) {
  FlushDenormals flush;
  size_t watched = 0;
  if (!finite(first - 1, &watched)) return false;
  for (int i = first; i < int(calls_.size()); ++i) {
    calls_[i].op->run(calls_[i]);
    if (!finite(i, &watched)) return false;
  }
  return true;
}

void Context::run_one(int i) {
  FlushDenormals flush;
  calls_[size_t(i)].op->run(calls_[size_t(i)]);
}

bool Context::run_timed(int first, double* seconds) {
  using Clock = std::chrono::steady_clock;
  FlushDenormals flush;
  size_t watched = 0;
  Clock::time_point begin = Clock::now();
  if (!finite(first - 1, &watched)) return false;
  for (int i = first; i < int(calls_.size()); ++i) {
    calls_[i].op->run(calls_[i]);
    if (!finite(i, &watched)) return false;
    const Clock::time_point end = Clock::now();
    seconds[i] += std::chrono::duration<double>(end - begin).count();
    begin = end;
  }
  return true;
}

}  // namespace nnf
