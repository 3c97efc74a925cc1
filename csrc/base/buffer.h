// Aligned memory that grows and is kept between calls: workspace of eager ops.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <new>

namespace nnf {

class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(data_); }

  // At least `bytes`, 64-byte aligned; contents are lost when it grows.
  void* reserve(int64_t bytes) {
    if (bytes > size_) {
      release();
      int64_t rounded = (bytes + 63) / 64 * 64;
      data_ = std::aligned_alloc(64, size_t(rounded));
      if (!data_) throw std::bad_alloc();
      size_ = rounded;
    }
    return data_;
  }
  void release_above(int64_t bytes) {
    if (size_ > bytes) release();
  }

 private:
  void release() {
    std::free(data_);
    data_ = nullptr;
    size_ = 0;
  }
  void* data_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace nnf
