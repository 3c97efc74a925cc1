// When an output is written past the caches.
#pragma once

#include "base/cache.h"
#include "base/view.h"

namespace nnf {

// Whether the arguments are more than the caches hold: whoever reads this output from its start
// would not find it there. No input may be the output.
inline bool past_caches(const OpArgs& args, int output = 0) {
  int64_t bytes = 0;
  for (int k = 0; k < args.n_out; ++k) bytes += args.out[k].size * item_size(args.out[k].dtype);
  for (int k = 0; k < args.n_in; ++k) {
    if (args.in[k].data == args.out[output].data) return false;
    bytes += args.in[k].size * item_size(args.in[k].dtype);
  }
  return bytes > largest_cache();
}

}  // namespace nnf
