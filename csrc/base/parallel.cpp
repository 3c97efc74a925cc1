#include "base/parallel.h"

#include <omp.h>
#include <pthread.h>

#include <atomic>

namespace nnf {

namespace {
std::atomic<int> default_threads{1};
thread_local int limit = 0;

// libgomp's pool does not survive fork: the child believes in threads that are gone and waits
// for them for ever. So the forking thread gives its pool back first; parent and child each
// build a new one when they next need it.
void before_fork() { omp_pause_resource_all(omp_pause_hard); }
}  // namespace

int num_threads() { return limit > 0 ? limit : default_threads.load(std::memory_order_relaxed); }
void set_num_threads(int n) { default_threads.store(n, std::memory_order_relaxed); }
int thread_limit() { return limit; }
void set_thread_limit(int n) { limit = n; }
bool in_parallel() { return omp_in_parallel() != 0; }
int worker_index() { return omp_get_thread_num(); }
void install_fork_handler() { pthread_atfork(before_fork, nullptr, nullptr); }

}  // namespace nnf
