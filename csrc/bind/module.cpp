#include "base/parallel.h"
#include "bind/array.h"

PYBIND11_MODULE(_core, m) {
  m.doc() = "The compiled core of nnfast. Private: use nnfast.ops.";
  nnf::install_fork_handler();
  nnf::find_numpy();
  nnf::bind_config(m);
  nnf::bind_array(m);
  nnf::bind_probe(m);
  nnf::bind_memory(m);
  nnf::bind_tensor(m);
  nnf::bind_node(m);
  nnf::bind_run(m);
  nnf::bind_op(m);
  nnf::bind_plan(m);
  nnf::bind_guards(m);
  nnf::bind_call(m);
  nnf::bind_values(m);
  nnf::bind_trace(m);
  nnf::bind_alike(m);
  nnf::bind_where(m);
}
