#pragma once
// Reads little-endian numbers from a range of bytes.

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace vitrim::checkpoint {

/// A position in a range of bytes. The caller checks left() before it reads.
class ByteCursor {
 public:
  ByteCursor(const uint8_t* data, size_t size) : data_(data), left_(size) {}
  const uint8_t* data() const { return data_; }
  size_t left() const { return left_; }
  void skip(size_t bytes) {
    data_ += bytes;
    left_ -= bytes;
  }
  /// The host is little-endian too (safetensors_read.cpp asserts it).
  template <typename Number>
  Number take() {
    Number value;
    std::memcpy(&value, data_, sizeof value);
    skip(sizeof value);
    return value;
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

}  // namespace vitrim::checkpoint
