// Threads. The only OpenMP of the project stands here and in parallel.cpp.
//
// Work is cut into tasks by shape, never by the number of threads, and a task never depends on
// the worker that runs it: that is what makes results the same for any number of threads.
#pragma once

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
constexpr double kMultiplyAdd = 0.05;  // work of one in kernels that do little else

inline int workers_for(int64_t tasks, double work) {
  if (tasks <= 1 || work < kSerialWork || in_parallel()) return 1;
  int n = num_threads();
  return tasks < n ? int(tasks) : n;
}

// Runs f(task, worker) for each task in [0, tasks), 0 <= worker < num_threads(). `work` is that
// of all tasks together. Called inside a task it runs serially, with worker 0.
template <class F>
void parallel_for(int64_t tasks, double work, F&& f) {
  int workers = workers_for(tasks, work);
  if (workers == 1) {
    for (int64_t t = 0; t < tasks; ++t) f(t, 0);
    return;
  }
#pragma omp parallel num_threads(workers)
  {
    FlushDenormals flush;
#pragma omp for schedule(dynamic, 1)
    for (int64_t t = 0; t < tasks; ++t) f(t, worker_index());
  }
}

}  // namespace nnf
