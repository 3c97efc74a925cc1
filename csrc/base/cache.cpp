#include "base/cache.h"

#include <cstdio>

namespace nnf {

namespace {

// Where the system does not say.
constexpr int64_t kAssumedLargest = 32 << 20, kAssumedSecond = 1 << 20;
constexpr int kMostCaches = 8;
int64_t given_largest = -1, given_second = -1;

// The number with which a file about cache `index` of the first core begins; 0 if there is none.
// (sysconf gives the sum over all chips on some machines.)
int64_t number(int index, const char* file_name) {
  char path[64];
  std::snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index,
                file_name);
  std::FILE* file = std::fopen(path, "r");
  if (!file) return 0;
  long long n = 0;
  if (std::fscanf(file, "%lld", &n) != 1) n = 0;
  std::fclose(file);
  return n;
}

// Bytes of the largest cache, of those of a level unless that is 0.
int64_t find_cache(int level, int64_t assumed) {
  int64_t largest = 0;
  for (int i = 0; i < kMostCaches; ++i)
    if (level == 0 || number(i, "level") == level)
      if (const int64_t size = number(i, "size") << 10; size > largest) largest = size;
  return largest ? largest : assumed;
}

}  // namespace

int64_t largest_cache() {
  static const int64_t found = find_cache(0, kAssumedLargest);
  return given_largest < 0 ? found : given_largest;
}

int64_t second_cache() {
  static const int64_t found = find_cache(2, kAssumedSecond);
  return given_second < 0 ? found : given_second;
}

void set_largest_cache(int64_t bytes) { given_largest = bytes; }

void set_second_cache(int64_t bytes) { given_second = bytes; }

}  // namespace nnf
