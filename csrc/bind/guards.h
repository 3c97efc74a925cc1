// What a plan took for granted of the Python world, looked at before each run.
//
// Most of it is a question of identity: does this name still stand for that object, does this list
// still hold those? No Python code runs for such questions.
#pragma once

#include <utility>
#include <vector>

#include "bind/bind.h"

namespace nnf {

// Options in a dict, of which something was computed: whether they are the same still.
class Watch {
 public:
  Watch() = default;  // never the same
  // `names`: a tuple of those of the dict; none of None.
  Watch(pybind11::object dict, pybind11::object names)
      : dict_(std::move(dict)), names_(std::move(names)) {}
  void look();  // what they are now is what they were
  bool same() const;
  template <class F>
  void each_object(F&& f) {
    f(dict_), f(names_), f(seen_);
  }

 private:
  pybind11::object dict_, names_;  // names_: a tuple
  pybind11::object seen_;          // a tuple; null if never looked, or if one could change inside
};

class Guards {
 public:
  void entry(pybind11::dict dict, pybind11::object key);          // dict[key], or its absence
  void cell(pybind11::object cell);                               // a variable of a closure
  void attribute(pybind11::object owner, pybind11::object name);  // owner.name, or its absence
  void items(pybind11::object container);  // of a list, tuple, or the values of a dict, in order
  // The gradient of a tensor: none, or one.
  void gradient(pybind11::object tensor);
  // read() == expected; not asked while what it is made of is the same.
  void call(pybind11::object read, pybind11::object expected, pybind11::object dict,
            pybind11::tuple names);

  bool hold();
  void clear();  // there is nothing to look at any more

  template <class F>
  void each_object(F&& f) {
    for (Seen& s : seen_) f(s.owner), f(s.name), f(s.value);
    for (Call& c : calls_) f(c.read), f(c.expected), c.watch.each_object(f);
  }

 private:
  enum Kind { ENTRY, CELL, ATTRIBUTE, ITEMS, GRADIENT };
  struct Seen {
    Kind kind;
    pybind11::object owner, name;
    pybind11::object value;  // null: absent. Of ITEMS a tuple, of GRADIENT whether there is one
  };
  struct Call {
    pybind11::object read, expected;
    Watch watch;
  };
  void add(Kind kind, pybind11::object owner, pybind11::object name);
  static bool same(const Seen& s);
  static pybind11::object now(const Seen& s);

  std::vector<Seen> seen_;
  std::vector<Call> calls_;
};

}  // namespace nnf
