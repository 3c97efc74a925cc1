// Threads. The only OpenMP of the project stands here and in parallel.cpp.
//
// Work is cut into tasks by shape, never by the number of threads, and a task never depends on
// the worker that runs it: that is what makes results the same for any number of threads.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/fpu.h"

namespace nnf {

// Threads that a call from this thread may use: its own limit if it has one, else the default
// of the process.
int num_threads();
void set_num_threads(int n);  // the default of the process
int thread_limit();           // of the calling thread; 0: none
void set_thread_limit(int n);
bool in_parallel();
int worker_index();
void install_fork_handler();

// The number of threads of a call: another Python thread may change the default while the GIL
// is released, but the workspace has room for as many as it was asked for.
class FixedThreads {
 public:
  FixedThreads() : before_(thread_limit()) { set_thread_limit(num_threads()); }
  ~FixedThreads() { set_thread_limit(before_); }
  FixedThreads(const FixedThreads&) = delete;
  FixedThreads& operator=(const FixedThreads&) = delete;

 private:
  int before_;
};

// Below this many units of work (about one multiply-add or one float moved each) a second
// thread costs more than it brings: starting a region takes a few microseconds.
constexpr double kSerialWork = 32768;
constexpr double kMultiplyAdd = 0.1;  // work of one in kernels that do little else

inline int workers_for(int64_t tasks, double work) {
  if (tasks <= 1 || work < kSerialWork || in_parallel()) return 1;
  int n = num_threads();
  return tasks < n ? int(tasks) : n;
}

// Tasks of a region, a run of neighbours for each worker; who has done its own takes of others'.
// The next region that is cut alike finds in a core's caches what that core left there.
class Shares {
 public:
  Shares(int64_t tasks, int workers) : count_(workers < kMost ? workers : kMost) {
    for (int s = 0; s < count_; ++s) {
      share_[s].next.store(tasks * s / count_, std::memory_order_relaxed);
      share_[s].end = tasks * (s + 1) / count_;
    }
  }

  template <class F>
  void work(int worker, F&& f) {
    for (int i = 0; i < count_; ++i) {
      Share& s = share_[(worker + i) % count_];
      for (int64_t t; (t = s.next.fetch_add(1, std::memory_order_relaxed)) < s.end;) f(t, worker);
    }
  }

 private:
  static constexpr int kMost = 64;  // more workers share
  struct alignas(64) Share {        // a line of its own
    std::atomic<int64_t> next;
    int64_t end;
  };

  Share share_[kMost];
  const int count_;
};

// Runs f(task, worker) for each task in [0, tasks), 0 <= worker < num_threads(). `work` is that
// of all tasks together. Called inside a task it runs serially, with worker 0.
template <class F>
void parallel_for(int64_t tasks, double work, F&& f) {
  int workers = workers_for(tasks, work);
  if (workers == 1) {
    for (int64_t t = 0; t < tasks; ++t) f(t, 0);
    return;
  }
  Shares shares(tasks, workers);
#pragma omp parallel num_threads(workers)
  {
    FlushDenormals flush;
    shares.work(worker_index(), f);
  }
}

}  // namespace nnf
