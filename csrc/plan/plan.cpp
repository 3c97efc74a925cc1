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

Plan::Plan(std::vector<Instruction> code, std::vector<Operand> operands, std::vector<char> attrs,
           int buffers, int64_t arena, int commit, int watched)
    : code_(std::move(code)),
      operands_(std::move(operands)),
      attrs_(std::move(attrs)),
      users_(size_t(buffers)),
      arena_(arena),
      commit_(commit) {
  for (size_t i = 0; i < operands_.size(); ++i)
    if (operands_[i].buffer >= 0) users_[operands_[i].buffer].push_back(int(i));
  for (size_t i = operands_.size() - size_t(watched); i < operands_.size(); ++i) check(int(i));
  std::stable_sort(checks_.begin(), checks_.end(),
                   [](const FiniteCheck& a, const FiniteCheck& b) { return a.after < b.after; });
}

Plan::Plan(const Plan& like, std::vector<Operand> operands, std::vector<char> attrs)
    : code_(like.code_),
      operands_(std::move(operands)),
      attrs_(std::move(attrs)),
      users_(like.users_),
      checks_(like.checks_),
      arena_(like.arena_),
      commit_(like.commit_) {}

namespace {

bool overlap(const Operand& a, const Operand& b) {
  auto end = [](const Operand& o) { return o.offset + extent(o.view); };
  return a.buffer == b.buffer && a.offset < end(b) && b.offset < end(a);
}

}  // namespace

bool Plan::touches(const Instruction& i, const Operand& o) const {
  const Operand* first = operands_.data() + i.first;
  return std::any_of(first, first + i.n_in + i.n_out,
                     [&](const Operand& a) { return overlap(a, o); });
}

void Plan::check(int operand) {
  int i = commit_ - 1;
  while (i >= 0 && !touches(code_[size_t(i)], operands_[size_t(operand)])) --i;
  checks_.push_back({i, operand});
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

Context::Context(const Plan& plan) : plan_(plan), bound_(plan.users_.size(), nullptr) {
  views_.reserve(plan.operands_.size());
  for (const Operand& o : plan.operands_) views_.push_back(o.view);
  for (const Instruction& i : plan.code_) calls_.push_back(plan.args(i, views_.data()));
}

void Context::rebind(int buffer, void* data) {
  for (int i : plan_.users_[buffer])
    views_[i].data = static_cast<char*>(data) + plan_.operands_[i].offset;
  bound_[buffer] = data;
}

void Context::prepare(Memory& memory) {
  bind(0, memory.arena.reserve(std::max<int64_t>(plan_.arena_, 64)));
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
  const std::vector<FiniteCheck>& checks = plan_.checks_;
  for (; *next < checks.size() && checks[*next].after <= i; ++*next)
    if (!all_finite(views_[size_t(checks[*next].operand)])) return false;
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
