#include "bind/bound_plan.h"

#include <algorithm>

#include "base/parallel.h"
#include "bind/array.h"
#include "bind/value.h"

namespace py = pybind11;

namespace nnf {

namespace {

View make_view(int dtype, const Shape& shape, const Shape& strides) {
  if (dtype < 0 || dtype > int(DType::b8) || shape.size() > size_t(kMaxDims) ||
      strides.size() != shape.size())
    throw py::value_error("_core.Plan: no such view");
  View v{};
  v.dtype = DType(dtype);
  v.ndim = int(shape.size());
  v.size = 1;
  for (int d = 0; d < v.ndim; ++d) {
    v.shape[d] = shape[d];
    v.stride[d] = strides[d];
    v.size *= shape[d];
  }
  if (v.size > 0 && std::any_of(strides.begin(), strides.end(), [](int64_t s) { return s < 0; }))
    throw py::value_error("_core.Plan: a negative stride");
  return v;
}

// The view in the shape of a value, if that is not None.
View in_shape_of(PyObject* value, const View& v) {
  if (!is_value(value)) return v;
  Layout l;
  if (!read_layout(value_of(value), &l)) throw py::error_already_set();
  if (l.ndim != v.ndim) throw py::value_error("_core.Plan: another operand");
  View now = v;
  now.size = l.size;
  for (int d = 0; d < l.ndim; ++d) {
    now.shape[d] = l.shape[d];
    now.stride[d] = l.strides[d] / l.item;
  }
  return now;
}

bool same_dtype(DType t, int num) {
  using api = py::detail::npy_api;
  switch (t) {
    case DType::f32:
      return num == api::NPY_FLOAT_;
    case DType::f64:
      return num == api::NPY_DOUBLE_;
    case DType::i64:
      return num == api::NPY_LONGLONG_ || (num == api::NPY_LONG_ && sizeof(long) == 8);
    default:
      return num == api::NPY_BOOL_;
  }
}

// Whether somebody besides `owners` references could write to the memory of an array.
bool is_shared(PyObject* array, Py_ssize_t owners) {
  if (Py_REFCNT(array) > owners) return true;
  PyObject* base = py::detail::array_proxy(array)->base;
  return base && (!py::detail::npy_api::get().PyArray_Check_(base) || is_shared(base, 1));
}

// References to the arrays of tensors, should another thread replace them meanwhile.
class HeldArrays {
 public:
  HeldArrays() = default;
  HeldArrays(const HeldArrays&) = delete;
  HeldArrays& operator=(const HeldArrays&) = delete;
  ~HeldArrays() {
    for (int i = 0; i < n_; ++i) Py_DECREF(first_[i]);
    for (PyObject* o : more_) Py_DECREF(o);
  }
  void add(PyObject* o) {
    Py_INCREF(o);
    if (n_ < kFirst)
      first_[n_++] = o;
    else
      more_.push_back(o);
  }

 private:
  static constexpr int kFirst = 512;
  PyObject* first_[kFirst];
  int n_ = 0;
  std::vector<PyObject*> more_;
};

void check_watchable(const Operand& o) {
  int64_t step = 1;
  for (int d = o.view.ndim - 1; d >= 0; --d) {
    if (o.view.shape[d] > 1 && o.view.stride[d] != step)
      throw py::value_error("_core.Plan: a watched operand must be dense");
    step *= o.view.shape[d];
  }
  if (o.buffer < 0 || (o.view.dtype != DType::f32 && o.view.dtype != DType::f64))
    throw py::value_error("_core.Plan: a watched operand must hold floats");
}

py::list copies(const View* views, int n) {
  static const char* const codes[] = {"f4", "f8", "i8", "?"};  // as DType
  py::list arrays;
  for (int i = 0; i < n; ++i) {
    const View& v = views[i];
    if (!v) {
      arrays.append(py::none());
      continue;
    }
    std::vector<int64_t> shape(v.shape, v.shape + v.ndim), strides;
    for (int d = 0; d < v.ndim; ++d) strides.push_back(v.stride[d] * item_size(v.dtype));
    arrays.append(py::array(py::dtype(codes[int(v.dtype)]), shape, strides, v.data));
  }
  return arrays;
}

}  // namespace

BoundPlan::BoundPlan(const std::vector<CallSpec>& calls, const std::vector<OperandSpec>& operands,
                     const std::vector<ExternalSpec>& externals, py::list tensors, int64_t arena,
                     std::shared_ptr<Arenas> arenas, int commit, const std::vector<int>& watched,
                     int prologue, int64_t kept, const std::vector<int>& sources)
    : tensors_(std::move(tensors)), arenas_(std::move(arenas)), prologue_(prologue) {
  std::vector<Operand> views;
  for (const auto& [dtype, shape, strides, written] : externals) {
    views.push_back({int(views.size()) + 1, 0, make_view(dtype, shape, strides)});
    sizes_.push_back(extent(views.back().view));
    written_.push_back(written);
  }
  kept_buffer_ = int(externals.size()) + 1;
  sizes_.push_back(kept);
  hold(sources);
  for (const auto& [buffer, offset, dtype, shape, strides] : operands) {
    Operand o{buffer, offset, make_view(dtype, shape, strides)};
    if (buffer > int(sizes_.size())) throw py::value_error("_core.Plan: no such buffer");
    const int64_t room = buffer <= 0 ? arena : sizes_[size_t(buffer) - 1];
    if (buffer >= 0 && (offset < 0 || offset + extent(o.view) > room))
      throw py::value_error("_core.Plan: an operand beyond its buffer");
    views.push_back(o);
  }
  Program program;
  program.buffers = int(written_.size()) + 2;
  program.commit = commit;
  program.watched = int(watched.size());
  program.arena = arena;
  std::vector<char> attrs;
  for (const auto& [id, packed, n_in, args] : calls) {
    const std::string bytes = packed;
    if (id < 0 || id >= op_count() || bytes.size() != op_table()[id].attrs_size ||
        n_in > int(args.size()))
      throw py::value_error("_core.Plan: no such call");
    program.code.push_back({&op_table()[id], int(program.arguments.size()), n_in,
                            int(args.size()) - n_in, int64_t(attrs.size())});
    program.arguments.insert(program.arguments.end(), args.begin(), args.end());
    attrs.insert(attrs.end(), bytes.begin(), bytes.end());  // all fields are 8 bytes wide
  }
  if (prologue < 0 || commit < prologue || commit > int(program.code.size()))
    throw py::value_error("_core.Plan: commit");
  program.arguments.insert(program.arguments.end(), watched.begin(), watched.end());
  for (int a : program.arguments)
    if (a < 0 || size_t(a) >= views.size()) throw py::value_error("_core.Plan: no such operand");
  for (int a : watched) check_watchable(views[size_t(a)]);
  seconds.assign(program.code.size(), 0);
  plan_ = std::make_unique<Plan>(std::move(program), std::move(views), std::move(attrs));
}

BoundPlan::BoundPlan(const BoundPlan& like, py::list tensors, const py::list& values,
                     const std::vector<std::pair<int, py::bytes>>& attrs)
    : tensors_(std::move(tensors)),
      written_(like.written_),
      sizes_(like.sizes_),
      arenas_(like.arenas_),
      prologue_(like.prologue_),
      kept_buffer_(like.kept_buffer_) {
  if (tensors_.size() != like.tensors_.size()) throw py::value_error("_core.Plan: other tensors");
  std::vector<int> sources;
  for (const SourceSeen& s : like.sources_) sources.push_back(s.number);
  hold(sources);
  std::vector<Operand> operands = like.plan_->operands();
  if (values.size() != operands.size()) throw py::value_error("_core.Plan: other operands");
  for (size_t i = 0; i < operands.size(); ++i) {
    Operand& o = operands[i];
    const View now = in_shape_of(PyList_GET_ITEM(values.ptr(), Py_ssize_t(i)), o.view);
    if (extent(now) > extent(o.view)) throw py::value_error("_core.Plan: a larger operand");
    o.view = now;
    if (i < written_.size()) sizes_[i] = extent(now);
    if (o.buffer > 0 && o.offset + extent(now) > sizes_[size_t(o.buffer) - 1])
      throw py::value_error("_core.Plan: an operand beyond its buffer");
  }
  std::vector<char> packed = like.plan_->attrs();
  for (const auto& [i, bytes] : attrs) {
    const std::string text = bytes;
    const Instruction& call = like.plan_->code().at(size_t(i));
    if (text.size() != call.op->attrs_size) throw py::value_error("_core.Plan: other attributes");
    std::copy(text.begin(), text.end(), packed.begin() + call.attrs);
  }
  seconds.assign(like.seconds.size(), 0);
  plan_ = std::make_unique<Plan>(*like.plan_, std::move(operands), std::move(packed));
}

void BoundPlan::hold(const std::vector<int>& sources) {
  if (tensors_.size() > written_.size()) throw py::value_error("_core.Plan: too many tensors");
  for (py::handle t : tensors_) {
    if (!is_tensor(t.ptr())) throw py::type_error("_core.Plan: expected tensors");
    graded_.push_back(tensor_of(t.ptr())->requires_grad);
  }
  for (int i : sources) {
    if (i < 0 || size_t(i) >= tensors_.size()) throw py::value_error("_core.Plan: no such tensor");
    sources_.push_back({i, -1, -1});
  }
  kept_data_ = kept_.reserve(std::max<int64_t>(sizes_.back(), 64));
}

bool BoundPlan::fits() const {
  for (size_t i = 0; i < graded_.size(); ++i)
    if (!fits(i, tensor(i)->array) || tensor(i)->requires_grad != graded_[i]) return false;
  return true;
}

bool BoundPlan::changes(const py::array& array) const {
  const auto [first, end] = bounds(array);
  for (size_t i = 0; i < graded_.size(); ++i) {
    if (!written_[i]) continue;
    const auto data = reinterpret_cast<Py_ssize_t>(array_of(tensor(i)->array)->data);
    if (data < end && first < data + sizes_[i]) return true;
  }
  return false;
}

// f(context) with all buffers bound.
template <class F>
BoundPlan::Outcome BoundPlan::with_context(PyObject* const* arrays, size_t n, F&& f) {
  if (tensors_.size() + n != written_.size()) return REFUSED;
  std::unique_ptr<Context> context = plan_->acquire();
  HeldArrays held;
  size_t buffer = 0;
  bool fits = true;
  for (size_t i = 0; i < graded_.size(); ++i) {
    PyObject* a = tensor(i)->array;
    fits = fits && bind(*context, buffer++, a);
    if (fits) held.add(a);
  }
  for (size_t i = 0; i < n; ++i) fits = fits && bind(*context, buffer++, arrays[i]);
  context->bind(kept_buffer_, kept_data_);
  const Outcome outcome = fits ? f(*context) : REFUSED;
  plan_->release(std::move(context));
  return outcome;
}

void BoundPlan::replay(const py::tuple& arrays, const py::object& visit) {
  with_context(&PyTuple_GET_ITEM(arrays.ptr(), 0), arrays.size(), [&](Context& context) {
    FixedThreads threads;
    std::unique_ptr<Memory> memory = arenas_->acquire();
    context.prepare(*memory);
    for (int i = 0; i < plan_->commit(); ++i) {
      const OpArgs& call = context.call(i);
      py::list inputs = copies(call.in, call.n_in);
      context.run_one(i);
      if (visit(i, inputs, copies(call.out, call.n_out)).cast<bool>()) break;
    }
    arenas_->release(std::move(memory));
    return DONE;
  });
}

int64_t BoundPlan::workspace() {
  std::unique_ptr<Context> context = plan_->acquire();
  std::unique_ptr<Memory> memory = arenas_->acquire();
  context->prepare(*memory);
  const int64_t bytes = context->workspace();
  arenas_->release(std::move(memory));
  plan_->release(std::move(context));
  return bytes;
}

bool BoundPlan::bind(Context& context, size_t i, PyObject* o) {
  if (!fits(i, o)) return false;
  context.bind(int(i) + 1, py::detail::array_proxy(o)->data);
  return true;
}

bool BoundPlan::fits(size_t i, PyObject* o) const {
  using api = py::detail::npy_api;
  if (!o || !api::get().PyArray_Check_(o)) return false;
  const auto* a = py::detail::array_proxy(o);
  const View& v = external(i);
  if (a->nd != v.ndim || !(a->flags & api::NPY_ARRAY_ALIGNED_) ||
      (written_[i] && !(a->flags & api::NPY_ARRAY_WRITEABLE_)) ||
      !same_dtype(v.dtype, py::detail::array_descriptor_proxy(a->descr)->type_num))
    return false;
  const int64_t item = item_size(v.dtype);
  for (int d = 0; d < v.ndim; ++d)
    if (a->dimensions[d] != v.shape[d] ||
        (v.shape[d] > 1 && v.size > 0 && a->strides[d] != v.stride[d] * item))
      return false;
  return true;
}

BoundPlan::Outcome BoundPlan::run(PyObject* const* arrays, size_t n) {
  return with_context(arrays, n, [&](Context& context) { return execute(context); });
}

BoundPlan::Outcome BoundPlan::execute(Context& context) {
  FixedThreads threads;
  bool finite;
  std::unique_ptr<Memory> memory = arenas_->acquire();
  context.prepare(*memory);
  if (prologue_ > 0 && !is_fresh())
    for (int i = 0; i < prologue_; ++i) context.run_one(i);
  {
    py::gil_scoped_release free;
    finite = timed ? context.run_timed(prologue_, seconds.data()) : context.run(prologue_);
  }
  timed_runs += timed;
  arenas_->release(std::move(memory));
  if (!finite) return NOT_FINITE;
  for (size_t i = 0; i < graded_.size(); ++i)
    if (written_[i]) ++tensor(i)->version;
  return DONE;
}

// Whether the prologue has seen the sources as they are; it is about to, if not. A run holds a
// reference to each array.
bool BoundPlan::is_fresh() {
  bool fresh = isa_ == &current_isa();
  isa_ = &current_isa();
  for (SourceSeen& s : sources_) {
    const Tensor* t = tensor(size_t(s.number));
    fresh = fresh && s.version == t->version && s.touched == t->touched && !is_shared(t->array, 2);
    s.version = t->version, s.touched = t->touched;
  }
  return fresh;
}

}  // namespace nnf
