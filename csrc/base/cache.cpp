#include "base/cache.h"

#include <cstdio>

namespace nnf {

namespace {

constexpr int64_t kAssumed = 32 << 20;  // where the system does not say
constexpr int kMostCaches = 8;
int64_t given = -1;

// The size of cache `index` of the first core in bytes; 0 if there is none. (sysconf gives the sum
// over all chips on some machines.)
int64_t cache_size(int index) {
  char path[64];
  std::snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", index);
  std::FILE* file = std::fopen(path, "r");
  if (!file) return 0;
  long long kibibytes = 0;
  if (std::fscanf(file, "%lldK", &kibibytes) != 1) kibibytes = 0;
  std::fclose(file);
  return int64_t(kibibytes) << 10;
}

int64_t find_largest() {
  int64_t largest = 0;
  for (int i = 0; i < kMostCaches; ++i)
    if (const int64_t size = cache_size(i); size > largest) largest = size;
  return largest ? largest : kAssumed;
}

}  // namespace

int64_t largest_cache() {
  static const int64_t found = find_largest();
  return given < 0 ? found : given;
}

void set_largest_cache(int64_t bytes) { given = bytes; }

}  // namespace nnf
