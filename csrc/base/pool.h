// Memory of large outputs, kept between calls. The system gives fresh memory page by page, at
// about a microsecond for each 4 KiB, several times what most ops need to fill it.
//
// Not safe for threads: whoever calls holds the interpreter's lock, as those who make and free
// arrays do.
#pragma once

#include <cstddef>

namespace nnf {

class Pool {
 public:
  // At least `bytes`, 64-byte aligned, contents undefined; null if the system has no more.
  void* take(size_t bytes);
  void give(void* data);                 // of `take`; null is allowed
  static size_t room(const void* data);  // bytes that a taken block has

  void release();  // all that is idle, to the system
  void set_limit(size_t bytes);
  size_t idle() const { return idle_; }    // bytes that were given back and are kept
  size_t limit() const { return limit_; }  // of them, at most

 private:
  struct Block;  // stands in front of the memory, on a cache line of its own
  struct Class {
    int number;
    size_t bytes;  // with the Block
  };
  static Class class_of(size_t bytes);

  Block* idle_blocks_[512] = {};  // lists, by class
  size_t idle_ = 0, limit_ = 0;
};

}  // namespace nnf
