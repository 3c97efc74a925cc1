// Signatures, and where those of earlier calls are kept: shape rules are functions of shapes,
// dtypes and plain arguments, so the answer for the same ones is the same.
#pragma once

#include "bind/op.h"

namespace nnf {

// `inputs` may hold nulls. Null with an error set if `result` is not what a rule should answer.
std::shared_ptr<const Signature> make_signature(Op* op, PyObject* const* inputs, PyObject* result);

// What a signature depends on.
class CallKey {
 public:
  // False if one of the other arguments is not plain (a number, text, dtype, None or tuple of
  // these): it may change, or be expensive to compare.
  bool set(const Op& op, PyObject* const* inputs, PyObject* const* rest, Py_ssize_t n_rest,
           PyObject* names);

 private:
  friend class SignatureCache;
  bool add_input(PyObject* tensor, bool strides);
  bool add_form(PyObject* stand_in, bool strides);

  int64_t numbers_[kMaxArgs * (2 * kMaxDims + 1)];  // dtypes, shapes, for views also strides
  size_t n_numbers_ = 0;
  PyObject* const* rest_;  // the other arguments, borrowed
  size_t n_rest_;
  PyObject* names_;  // of the last of them, or null
  uint64_t hash_;
};

// The last few signatures of one op.
class SignatureCache {
 public:
  std::shared_ptr<const Signature> find(const CallKey& key) const;
  void add(const CallKey& key, const std::shared_ptr<const Signature>& signature);

 private:
  static constexpr size_t kSize = 64, kTries = 4;
  struct Entry {
    uint64_t hash = 0;
    std::vector<int64_t> numbers;
    std::vector<pybind11::object> rest;
    pybind11::object names;
    std::shared_ptr<const Signature> signature;

    bool is(const CallKey& key) const;
  };
  std::vector<Entry> entries_;  // empty until the first
};

}  // namespace nnf
