// argsort: (x) -> the order that sorts the last dimension, or the first few of it; equals stay in
// order, NaN is largest.
#include <cstring>
#include <type_traits>

#include "base/parallel.h"
#include "ops/attrs.h"
#include "ops/registry.h"

namespace nnf {

namespace {

constexpr int64_t kShort = 16;        // so many are sorted by insertion
constexpr int64_t kManyDigits = 256;  // from so many on digits are quicker than comparisons
constexpr int64_t kPacked = int64_t(1) << 32;  // so many have a place of 32 bits

// Whether a must stand before b. (v != v: NaN)
template <class T>
struct Before {
  const T* x;
  bool descending;

  bool operator()(int64_t i, int64_t j) const {
    const T a = descending ? x[j] : x[i], b = descending ? x[i] : x[j];
    return a < b || (b != b && a == a);
  }
};

// Of numbers that hold what decides.
struct Smaller {
  bool operator()(int64_t a, int64_t b) const { return uint64_t(a) < uint64_t(b); }
};

template <class B>
void insertion_sort(const B& before, int64_t* order, int64_t n) {
  for (int64_t i = 1; i < n; ++i) {
    const int64_t k = order[i];
    int64_t j = i;
    for (; j > 0 && before(k, order[j - 1]); --j) order[j] = order[j - 1];
    order[j] = k;
  }
}

// Two sorted runs of `from`, of a and of n - a elements, become one of `to`.
template <class B>
void merge(const B& before, const int64_t* from, int64_t a, int64_t n, int64_t* to) {
  for (int64_t i = 0, j = a; i < a || j < n;)
    *to++ = j == n || (i < a && !before(from[j], from[i])) ? from[i++] : from[j++];
}

template <class B>
void merge_sort(const B& before, int64_t n, int64_t* order, int64_t* scratch) {
  for (int64_t i = 0; i < n; i += kShort)
    insertion_sort(before, order + i, n - i < kShort ? n - i : kShort);
  int64_t *from = order, *to = scratch;
  for (int64_t run = kShort; run < n; run *= 2) {
    for (int64_t i = 0; i < n; i += 2 * run) {
      const int64_t left = n - i;
      merge(before, from + i, left < run ? left : run, left < 2 * run ? left : 2 * run, to + i);
    }
    int64_t* const sorted = to;
    to = from, from = sorted;
  }
  for (int64_t i = 0; from != order && i < n; ++i) order[i] = from[i];
}

// Numbers sorted by their upper halves, equals in order: digit by digit, from the last.
void radix_sort(int64_t n, int64_t* order, int64_t* scratch) {
  int64_t *from = order, *to = scratch;
  for (int digit = 32; digit < 64; digit += 8) {
    int64_t start[257] = {};
    for (int64_t i = 0; i < n; ++i) ++start[(uint64_t(from[i]) >> digit & 255) + 1];
    for (int k = 0; k < 256; ++k) start[k + 1] += start[k];
    for (int64_t i = 0; i < n; ++i) to[start[uint64_t(from[i]) >> digit & 255]++] = from[i];
    int64_t* const sorted = to;
    to = from, from = sorted;
  }
}

template <class T>
void sort_row(const Before<T>& before, int64_t n, int64_t* order, int64_t* scratch) {
  for (int64_t i = 0; i < n; ++i) order[i] = i;
  merge_sort(before, n, order, scratch);
}

// Bits that are ordered as the numbers are: 0 and -0 alike, NaN the largest.
uint32_t ordered_bits(float v) {
  uint32_t bits;
  v += 0.0f;
  std::memcpy(&bits, &v, sizeof bits);
  return v != v ? ~0u : bits >> 31 ? ~bits : bits | 1u << 31;
}

// Value and place in one number, which is quicker to move and to compare.
void sort_row(const Before<float>& before, int64_t n, int64_t* order, int64_t* scratch) {
  if (n >= kPacked) return sort_row<float>(before, n, order, scratch);
  const uint32_t flip = before.descending ? ~0u : 0;
  for (int64_t i = 0; i < n; ++i)
    order[i] = int64_t(uint64_t(ordered_bits(before.x[i]) ^ flip) << 32 | uint64_t(i));
  if (n < kManyDigits)
    merge_sort(Smaller(), n, order, scratch);
  else
    radix_sort(n, order, scratch);
  for (int64_t i = 0; i < n; ++i) order[i] &= 0xffffffff;
}

// The first k of the order, kept sorted while all pass by.
template <class T>
void select_row(const Before<T>& before, int64_t n, int64_t k, int64_t* order) {
  for (int64_t i = 0; i < n; ++i) {
    int64_t j = i < k ? i : k;
    if (j == k && !before(i, order[k - 1])) continue;
    if (j == k) --j;
    for (; j > 0 && before(i, order[j - 1]); --j) order[j] = order[j - 1];
    order[j] = i;
  }
}

template <class T>
void run_argsort(const OpArgs& args) {
  const View& x = args.in[0];
  const int64_t n = x.dim(-1), rows = x.size / n, k = args.out[0].dim(-1);
  int64_t *order = args.out[0].ptr<int64_t>(), *scratch = static_cast<int64_t*>(args.workspace);
  const bool descending = args.attributes<SortAttrs>().descending;
  const int64_t step = n < 1024 ? ceil_div(1024, n) : 1;  // rows of a task
  parallel_for(ceil_div(rows, step), double(x.size) * 16, [&](int64_t task, int) {
    for (int64_t r = task * step; r < (task + 1) * step && r < rows; ++r) {
      const Before<T> before{x.ptr<T>() + r * n, descending};
      if (k < n)
        select_row(before, n, k, order + r * k);
      else
        sort_row(before, n, order + r * n, scratch + r * n);
    }
  });
}

}  // namespace

namespace ops {

int64_t argsort_workspace(const OpArgs& args) { return args.out[0].size * 8; }

void argsort(const OpArgs& args) {
  if (args.out[0].size == 0) return;
  for_number(args.in[0].dtype,
             [&](auto* t) { run_argsort<std::remove_pointer_t<decltype(t)>>(args); });
}

}  // namespace ops

}  // namespace nnf
