#include "base/parallel.h"
#include "bind/bind.h"

PYBIND11_MODULE(_core, m) {
  m.doc() = "The compiled core of nnfast. Private: use nnfast.ops.";
  nnf::install_fork_handler();
  nnf::bind_config(m);
  nnf::bind_probe(m);
  nnf::bind_run(m);
}
