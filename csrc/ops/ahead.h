// Memory that is read soon, asked for a few lines at a time while something else is computed.
#pragma once

#include <cstdint>

#include "base/view.h"

namespace nnf {

// A block of a matrix: `count` vectors of k elements; those of a vector are cs apart, vectors rs.
// It comes into L2 with as many calls of some() as were foreseen.
template <class T>
class Ahead {
 public:
  Ahead() = default;  // nothing
  Ahead(const T* p, int64_t count, int64_t k, int64_t rs, int64_t cs, int64_t calls)
      : p_(p),
        runs_(cs == 1 ? count : k),
        step_(cs == 1 ? rs : cs),
        lines_(lines(p, cs == 1 ? k : count)),
        each_(ceil_div(runs_ * lines_, calls)) {}

  void some() {
    for (int64_t i = 0; i < each_ && runs_ > 0; ++i) {
      __builtin_prefetch(p_ + line_ * kItems, 0, 2);
      if (++line_ == lines_) line_ = 0, p_ += step_, --runs_;
    }
  }

 private:
  static constexpr int64_t kItems = 64 / int64_t(sizeof(T));  // of a line

  // Those that n elements from p on lie in; the runs below the first may begin elsewhere.
  static int64_t lines(const T* p, int64_t n) {
    return (int64_t(reinterpret_cast<uintptr_t>(p) / sizeof(T)) % kItems + n - 1) / kItems + 1;
  }

  const T* p_ = nullptr;
  int64_t runs_ = 0, step_ = 0;   // runs of neighbours in memory, and how far they are apart
  int64_t lines_ = 0, line_ = 0;  // of a run
  int64_t each_ = 0;              // lines at once
};

// All lines of a small block of rows, at once.
template <class T>
void ask_for(const T* p, int64_t rows, int64_t rs, int64_t cols) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < cols; j += 64 / int64_t(sizeof(T)))
      __builtin_prefetch(p + i * rs + j, 0, 2);
}

}  // namespace nnf
