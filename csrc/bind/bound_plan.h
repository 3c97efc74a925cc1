// A plan and what its buffers must look like: the arrays of tensors, then those of a run.
//
// Its first instructions, the prologue, depend on `sources` (numbers of tensors) alone. What they
// make is kept, and made anew only if a source may have changed: that is if an op changed it, if
// Python code took its array since, or if somebody else holds that memory.
#pragma once

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "base/buffer.h"
#include "bind/bind.h"
#include "bind/tensor.h"
#include "plan/plan.h"

namespace nnf {

using Shape = std::vector<int64_t>;

// (buffer, offset in bytes, dtype, shape, strides in elements)
using OperandSpec = std::tuple<int, int64_t, int, Shape, Shape>;
// (op, attributes, number of inputs, inputs and outputs as numbers of operands): the externals
// themselves come first, then the operands
using CallSpec = std::tuple<int, pybind11::bytes, int, std::vector<int>>;
// (dtype, shape, strides in elements, written to)
using ExternalSpec = std::tuple<int, Shape, Shape, bool>;

class BoundPlan {
 public:
  BoundPlan(const std::vector<CallSpec>& calls, const std::vector<OperandSpec>& operands,
            const std::vector<ExternalSpec>& externals, pybind11::list tensors, int64_t arena,
            std::shared_ptr<Arenas> arenas, int commit, const std::vector<int>& watched,
            int prologue, int64_t kept, const std::vector<int>& sources);
  // The plan `like`, of other tensors, where operands are these values, of smaller shapes, and some
  // calls (their numbers) have other attributes.
  BoundPlan(const BoundPlan& like, pybind11::list tensors, const pybind11::list& operands,
            const std::vector<std::pair<int, pybind11::bytes>>& attrs);

  // Whether the arrays of the tensors are what the plan was made for.
  bool fits() const;

  // Whether an array lies in memory that a run changes.
  bool changes(const pybind11::array& array) const;

  enum Outcome { REFUSED, DONE, NOT_FINITE };

  // REFUSED if an array, or that of a tensor, is not what the plan was made for.
  Outcome run(PyObject* const* arrays, size_t n);

  // Runs without committing, and calls visit(i, inputs, outputs) with copies of the arrays of
  // each instruction, the inputs as they were before it, until it returns true.
  void replay(const pybind11::tuple& arrays, const pybind11::object& visit);

  int64_t workspace();

  // What the array number `i` of a run must look like, all but its data.
  const View& given(size_t i) const { return external(graded_.size() + i); }
  size_t given_count() const { return written_.size() - graded_.size(); }

  bool timed = false;  // whether runs add to `seconds`
  int64_t timed_runs = 0;
  std::vector<double> seconds;  // of each instruction, all timed runs together

 private:
  struct SourceSeen {
    int number;  // of a tensor
    Py_ssize_t version, touched;
  };

  // Takes note of the tensors, and takes the memory that the prologue fills.
  void hold(const std::vector<int>& sources);

  template <class F>
  Outcome with_context(PyObject* const* arrays, size_t n, F&& f);
  Outcome execute(Context& context);
  bool bind(Context& context, size_t i, PyObject* o);
  bool fits(size_t i, PyObject* o) const;
  const View& external(size_t i) const { return plan_->operands()[i].view; }
  bool is_fresh();
  Tensor* tensor(size_t i) const {
    return tensor_of(PyList_GET_ITEM(tensors_.ptr(), Py_ssize_t(i)));
  }

  pybind11::list tensors_;
  std::vector<bool> graded_;   // whether each required gradients when the plan was made
  std::vector<bool> written_;  // of each external: whether a run writes to it
  std::vector<int64_t> sizes_;
  std::unique_ptr<Plan> plan_;  // whose first operands are the externals
  std::shared_ptr<Arenas> arenas_;
  int prologue_, kept_buffer_;
  std::vector<SourceSeen> sources_;
  const Isa* isa_ = nullptr;  // of the last prologue
  Buffer kept_;
  void* kept_data_;
};

}  // namespace nnf
