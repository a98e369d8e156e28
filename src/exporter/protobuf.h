#pragma once
// Writing protobuf's wire format: fields of varints, 32-bit numbers and byte strings (protobuf.dev,
// "Encoding"). A few dozen lines replace a library, which could not be linked together with LibTorch's own
// copy (docs/export.md).

#include <cstdint>
#include <string>
#include <string_view>

namespace vitrim::exporter {

/// A message under construction. Fields appear in the order of the calls; a field may repeat.
class Message {
 public:
  /// int32, int64, bool and enumerators.
  Message& integer(int field, int64_t value);
  /// float.
  Message& number(int field, float value);
  /// string, bytes.
  Message& text(int field, std::string_view value);
  Message& message(int field, const Message& value) { return text(field, value.data_); }
  /// Only the header of a byte string of this length; the caller writes the bytes after it.
  Message& announce(int field, uint64_t bytes);

  const std::string& data() const { return data_; }

 private:
  void varint(uint64_t value);
  std::string data_;
};

}  // namespace vitrim::exporter
