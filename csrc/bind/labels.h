#pragma once

#include <cstdint>

namespace nnf {

// Whether all labels are at least 0 and below n.
bool all_below(int64_t size, const int64_t* labels, uint64_t n);

}  // namespace nnf
