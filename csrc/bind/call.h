// A call of a compiled function without Python code between its pieces: what is looked at before
// the plan runs, where its arrays come from, and what is made of its results.
#pragma once

#include <vector>

#include "bind/bound_plan.h"
#include "bind/guards.h"

namespace nnf {

class Call {
 public:
  // `arguments`: tensors that a call must come with the like of, and nothing else; None if those
  // of the function are of other kinds. See nnfast/graph/entry.py for the rest.
  Call(pybind11::object plan, pybind11::object identities, pybind11::object surroundings,
       pybind11::object arguments, const pybind11::list& sources, const pybind11::list& checks,
       pybind11::list answers, pybind11::object rebuild, const pybind11::dict& actions);

  // The answer; NotImplemented, and nothing done, if something is not as the plan took it.
  pybind11::object attempt(const pybind11::tuple& arguments);
  // As `attempt`, for arguments taken apart whose kinds and guards have been looked at.
  pybind11::object run(const pybind11::list& leaves);

  template <class F>
  void each_object(F&& f) {
    for (Kind& k : kinds_) f(k.dtype);
    for (Source& s : sources_) f(s.tensor), f(s.make), f(s.latest), s.watch.each_object(f);
    for (Check& c : checks_) f(c.check);
    for (pybind11::object* o :
         {&plan_object_, &identities_object_, &surroundings_object_, &rebuild_, &dense_, &failed_})
      f(*o);
    for (pybind11::list* l : {&answers_, &kept_, &left_, &after_}) f(*l);
  }

 private:
  struct Kind {
    pybind11::object dtype;
    std::vector<int64_t> shape;
    bool requires_grad;
  };
  // An array of a run: of the argument `index`; else the gradient of `tensor`; else what `make`
  // answers, made again if what `watch` looks at has changed.
  struct Source {
    int index;
    pybind11::object tensor, make, latest;
    Watch watch;
  };
  struct Check {
    int source;  // < 0: of none
    pybind11::object check;
    int64_t below;  // whole numbers from 0 to below - 1 need no check; < 0: all do
  };

  bool is_like(const Kind& kind, PyObject* o) const;
  pybind11::object run(PyObject* const* leaves);
  pybind11::object array(Source& s, size_t i, PyObject* const* leaves);
  bool changes_argument(PyObject* const* leaves) const;
  bool is_known_good(const Check& c, const std::vector<pybind11::object>& arrays) const;
  pybind11::object dense(PyObject* array, size_t i);
  pybind11::object answer(const std::vector<pybind11::object>& arrays, PyObject* const* leaves);

  pybind11::object plan_object_, identities_object_, surroundings_object_;  // keep these alive
  BoundPlan& plan_;
  Guards &identities_, &surroundings_;
  bool grad_, quick_;  // whether gradients are recorded; whether `attempt` can know its arguments
  std::vector<Kind> kinds_;
  std::vector<Source> sources_;
  std::vector<Check> checks_;
  pybind11::list answers_;    // see `answer`
  pybind11::list kept_;       // leaves whose gradient is a result
  pybind11::list left_;       // (leaf, what its gradient becomes)
  pybind11::list after_;      // to do when all is done
  pybind11::object rebuild_;  // None where the answer is a single one
  pybind11::object dense_, failed_;
};

}  // namespace nnf
