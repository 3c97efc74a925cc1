// ISA, threads, build: what nnfast.show_config() tells.
#include "base/cache.h"
#include "base/parallel.h"
#include "bind/bind.h"
#include "isa/choose.h"
#include "ops/conv_choice.h"

namespace py = pybind11;

namespace nnf {

namespace {

void set_isa(const std::string& cap) {
  std::string error = choose_isa(cap);
  if (!error.empty()) throw py::value_error(error);
}

py::dict build_info() {
  py::dict d;
#if defined(__clang__)
  d["compiler"] = "clang " __clang_version__;
#elif defined(__GNUC__)
  d["compiler"] = "gcc " __VERSION__;
#endif
  d["version"] = NNF_VERSION;
  d["openmp"] = _OPENMP;
  return d;
}

}  // namespace

void bind_config(py::module_& m) {
  m.def("set_isa", set_isa, py::arg("cap"),
        "Use the best ISA up to `cap` ('' for no cap). Not while an op is running.");
  m.def("isa", [] { return std::string(current_isa().name); });
  m.def("isas", usable_isas, "ISAs this machine can run, worst first.");
  m.def("built_isas", [] {
    std::vector<std::string> names;
    for (const Isa& isa : built_isas()) names.push_back(isa.name);
    return py::cast(names);
  });
  m.def("num_threads", num_threads);
  m.def("set_num_threads", set_num_threads);
  m.def("thread_limit", thread_limit);
  m.def("set_thread_limit", set_thread_limit);
  m.def("largest_cache", largest_cache);
  m.def("set_largest_cache", set_largest_cache, py::arg("bytes"),
        "Outputs beyond that size are written past the caches; negative: the machine's own.");
  m.def("set_second_cache", set_second_cache, py::arg("bytes"),
        "Matrix products are cut into blocks that fill it; negative: the machine's own.");
  m.def("force_conv", force_conv, py::arg("name"),
        "Compute convolutions by that algorithm where it can ('': by the fastest). False if there "
        "is none of that name.");
  m.def("conv_algorithms", conv_algorithms);
  m.def("show_conv_choices", show_conv_choices);
  m.def("build_info", build_info);
}

}  // namespace nnf
