// When an output is written past the caches.
#pragma once

#include "base/cache.h"
#include "base/view.h"

namespace nnf {

// Whether the arguments are more than the caches hold: whoever reads the output from its start
// would not find it there. No input may be the output.
inline bool past_caches(const OpArgs& args) {
  int64_t bytes = args.out[0].size * item_size(args.out[0].dtype);
  for (int k = 0; k < args.n_in; ++k) {
    if (args.in[k].data == args.out[0].data) return false;
    bytes += args.in[k].size * item_size(args.in[k].dtype);
  }
  return bytes > largest_cache();
}

}  // namespace nnf
