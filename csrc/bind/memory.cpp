#include "bind/memory.h"

#include <algorithm>
#include <cstring>

#include "base/pool.h"

namespace py = pybind11;

namespace nnf {

namespace {

constexpr int64_t kSmallest = 1024;  // bytes; NumPy keeps smaller blocks itself

// Never destroyed: arrays may outlive everything else.
Pool& pool() {
  static Pool* pool = new Pool;
  return *pool;
}

// PyDataMem_Handler of NumPy's C API.
struct Handler {
  char name[127];
  uint8_t version;
  struct {
    void* context;
    void* (*malloc)(void*, size_t);
    void* (*calloc)(void*, size_t, size_t);
    void* (*realloc)(void*, void*, size_t);
    void (*free)(void*, void*, size_t);
  } functions;
};

void* take(void*, size_t bytes) { return pool().take(bytes); }

void* take_zeros(void*, size_t n, size_t bytes) {
  if (bytes && n > SIZE_MAX / bytes) return nullptr;
  void* data = pool().take(n * bytes);
  if (data) std::memset(data, 0, n * bytes);
  return data;
}

void* resize(void*, void* data, size_t bytes) {
  void* fresh = pool().take(bytes);
  if (fresh && data) std::memcpy(fresh, data, std::min(bytes, Pool::room(data)));
  if (fresh) pool().give(data);
  return fresh;
}

void give(void*, void* data, size_t) { pool().give(data); }

Handler handler = {"nnfast", 1, {nullptr, take, take_zeros, resize, give}};
PyObject* handler_capsule;  // null: this NumPy's arrays do not look as we know them

// The last fields of PyArrayObject_fields since NumPy 1.22.
struct OwningArray {
  Array array;
  PyObject* weak_references;
  void* buffer_info;
  PyObject* handler;
};

OwningArray* owning(PyObject* array) { return reinterpret_cast<OwningArray*>(array); }

bool arrays_have_handlers() {
  if (numpy().PyArray_Type_->tp_basicsize < Py_ssize_t(sizeof(OwningArray))) return false;
  View one;
  one.ndim = 1;
  one.shape[0] = 1;
  auto sample = py::reinterpret_steal<py::object>(new_array(one));
  if (!sample) throw py::error_already_set();
  return owning(sample.ptr())->handler &&
         PyCapsule_IsValid(owning(sample.ptr())->handler, "mem_handler");
}

}  // namespace

bool is_pooled(int64_t bytes) { return bytes >= kSmallest && handler_capsule; }

void* pool_take(int64_t bytes) {
  void* data = pool().take(size_t(bytes));
  if (!data) PyErr_NoMemory();
  return data;
}

void pool_give(void* data) { pool().give(data); }

void own(PyObject* array) {
  array_of(array)->flags |= py::detail::npy_api::NPY_ARRAY_OWNDATA_;
  Py_INCREF(handler_capsule);
  owning(array)->handler = handler_capsule;
}

void bind_memory(py::module_& m) {
  if (arrays_have_handlers()) handler_capsule = PyCapsule_New(&handler, "mem_handler", nullptr);
  m.def("set_idle_memory_limit", [](size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
    bytes = 0;  // or a use after the end of an array would go unnoticed
#endif
    pool().set_limit(bytes);
  });
  m.def("idle_memory_limit", [] { return pool().limit(); });
  m.def("idle_memory", [] { return pool().idle(); }, "Bytes kept for arrays to come.");
  m.def("release_idle_memory", [] { pool().release(); });
}

}  // namespace nnf
