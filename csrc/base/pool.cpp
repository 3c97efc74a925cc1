#include "base/pool.h"

#include <cstdint>
#include <cstdlib>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace nnf {

namespace {
constexpr size_t kLine = 64;
constexpr size_t kHugePage = 2 << 20;
constexpr size_t kHuge = 4 << 20;  // blocks from here on begin at a huge page, and ask for them
}  // namespace

struct Pool::Block {
  Class kind;
  Block* next;
};

// Eight classes for each doubling, so at most an eighth is lost (and never touched).
Pool::Class Pool::class_of(size_t bytes) {
  const size_t last = bytes + kLine - 1;
  int log = 9;
  while (last >> (log + 1)) ++log;
  const size_t eighth = last >> (log - 3);
  return {log * 8 + int(eighth & 7), (eighth + 1) << (log - 3)};
}

void* Pool::take(size_t bytes) {
  if (bytes > SIZE_MAX / 4) return nullptr;
  const Class kind = class_of(bytes);
  Block* block = idle_blocks_[kind.number];
  if (block) {
    idle_blocks_[kind.number] = block->next;
    idle_ -= kind.bytes;
  } else {
    const size_t alignment = kind.bytes < kHuge ? kLine : kHugePage;
    const size_t size = (kind.bytes + alignment - 1) / alignment * alignment;
    block = static_cast<Block*>(std::aligned_alloc(alignment, size));
    if (!block && idle_) {
      release();
      block = static_cast<Block*>(std::aligned_alloc(alignment, size));
    }
    if (!block) return nullptr;
#if defined(MADV_HUGEPAGE)
    if (kind.bytes >= kHuge) madvise(block, size, MADV_HUGEPAGE);  // a wish: failure is no harm
#endif
    block->kind = kind;
  }
  return reinterpret_cast<char*>(block) + kLine;
}

void Pool::give(void* data) {
  if (!data) return;
  auto* block = reinterpret_cast<Block*>(static_cast<char*>(data) - kLine);
  const Class kind = block->kind;
  if (kind.bytes > limit_) return std::free(block);
  if (idle_ + kind.bytes > limit_) release();  // other sizes are in use now
  block->next = idle_blocks_[kind.number];
  idle_blocks_[kind.number] = block;
  idle_ += kind.bytes;
}

size_t Pool::room(const void* data) {
  return reinterpret_cast<const Block*>(static_cast<const char*>(data) - kLine)->kind.bytes - kLine;
}

void Pool::release() {
  for (Block*& list : idle_blocks_)
    while (list) {
      Block* next = list->next;
      std::free(list);
      list = next;
    }
  idle_ = 0;
}

void Pool::set_limit(size_t bytes) {
  limit_ = bytes;
  if (idle_ > limit_) release();
}

}  // namespace nnf
