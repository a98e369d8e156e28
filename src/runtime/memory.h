#pragma once
// Aligned memory that is counted, so that the engine can report its size.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace vitrim::runtime {

/// Zero-initialised memory, aligned to 64 bytes (a cache line, a tile's row). Only the constructor allocates.
template <typename T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(int64_t count)
      : bytes_(((count > 0 ? count : 1) * static_cast<int64_t>(sizeof(T)) + 63) / 64 * 64) {
    memory_.reset(static_cast<T*>(std::aligned_alloc(64, static_cast<size_t>(bytes_))));
    if (!memory_) throw std::bad_alloc();
    std::memset(static_cast<void*>(memory_.get()), 0, static_cast<size_t>(bytes_));
  }
  T* data() const { return memory_.get(); }
  int64_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  int64_t bytes_ = 0;
  std::unique_ptr<T, Free> memory_;
};

}  // namespace vitrim::runtime
