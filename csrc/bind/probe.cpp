// What the machine can do at most, on as many threads as ops use: the bench divides by it.
#include <atomic>
#include <cstring>

#include "base/parallel.h"
#include "bind/bind.h"
#include "kernels/table.h"

namespace py = pybind11;

namespace nnf {

namespace {

constexpr double kManyThreads = 1e9;  // work that is always worth a thread
std::atomic<double> seen;             // what probes computed, so that they have to

// f(first, count) on each thread's share of n.
template <class F>
void share(int64_t n, F&& f) {
  const int workers = num_threads();
  const int64_t part = n / workers;
  parallel_for(workers, kManyThreads, [&](int64_t t, int) { f(t * part, part); });
}

template <class T>
double fma_flops(int64_t rounds) {
  share(num_threads(), [&](int64_t, int64_t) { seen = double(kernels<T>().probe_fma(rounds)); });
  return 2.0 * double(rounds) * kProbeChains * kernels<T>().lanes * num_threads();
}

double fma_of(int64_t rounds, bool is_double) {
  py::gil_scoped_release release;
  return is_double ? fma_flops<double>(rounds) : fma_flops<float>(rounds);
}

using Floats = py::array_t<float, py::array::c_style>;

void read(const Floats& x, int64_t times) {
  const float* p = x.data();
  const int64_t n = x.size();
  py::gil_scoped_release release;
  share(n, [&](int64_t first, int64_t count) {
    for (int64_t i = 0; i < times; ++i)
      seen = double(kernels<float>().probe_read(count, p + first));
  });
}

void copy(const Floats& x, Floats& y, int64_t times) {
  const float* p = x.data();
  float* q = y.mutable_data();
  const int64_t n = x.size() < y.size() ? x.size() : y.size();
  py::gil_scoped_release release;
  share(n, [&](int64_t first, int64_t count) {
    for (int64_t i = 0; i < times; ++i) std::memcpy(q + first, p + first, size_t(count) * 4);
  });
}

}  // namespace

void bind_probe(py::module_& m) {
  m.def("probe_fma", fma_of, py::arg("rounds"), py::arg("double_precision") = false,
        "Independent multiply-adds on all threads; returns how many floating-point operations.");
  m.def("probe_read", read, py::arg("x"), py::arg("times") = 1,
        "Reads a float32 array, a share on each thread, so many times.");
  m.def("probe_copy", copy, py::arg("x").noconvert(), py::arg("y").noconvert(),
        py::arg("times") = 1, "Copies x to y, a share on each thread, so many times.");
}

}  // namespace nnf
