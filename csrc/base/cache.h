// Sizes of the processor's caches.
#pragma once

#include <cstdint>

namespace nnf {

// Bytes of the largest cache that a core can use. More than that is not found again.
int64_t largest_cache();
// Says how large it is, whatever the machine has; negative: as it is. Not while an op is running.
void set_largest_cache(int64_t bytes);

}  // namespace nnf
