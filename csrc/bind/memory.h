// Memory of fresh arrays.
#pragma once

#include "bind/array.h"

namespace nnf {

// Whether an array of so many bytes should have memory of the pool.
bool is_pooled(int64_t bytes);

// Makes `array`, an ndarray on memory of `pool_take`, its owner. It is then as any other: NumPy
// frees and resizes it through the handler that each array carries (NEP 49).
void own(PyObject* array);
void* pool_take(int64_t bytes);  // null with an error set
void pool_give(void* data);

}  // namespace nnf
