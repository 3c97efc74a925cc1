// Sizes of the processor's caches.
#pragma once

#include <cstdint>

namespace nnf {

// Bytes of the largest cache that a core can use. More than that is not found again.
int64_t largest_cache();
// Bytes of the second cache of a core: blocks of matrices stay there while they are used again.
int64_t second_cache();

// Say how large they are, whatever the machine has; negative: as it is. Not while an op is running,
// and a plan that was made before may not run: its workspace may not do.
void set_largest_cache(int64_t bytes);
void set_second_cache(int64_t bytes);

}  // namespace nnf
