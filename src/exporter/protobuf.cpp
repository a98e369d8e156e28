#include "exporter/protobuf.h"

#include <bit>

namespace vitrim::exporter {

namespace {

enum WireType { kVarint = 0, kBytes = 2, kFourBytes = 5 };

uint64_t tag(int field, WireType type) { return static_cast<uint64_t>(field) << 3 | type; }

}  // namespace

// Seven bits per byte, lowest first; the eighth bit means that more bytes follow.
void Message::varint(uint64_t value) {
  for (; value >= 0x80; value >>= 7) data_ += static_cast<char>((value & 0x7f) | 0x80);
  data_ += static_cast<char>(value);
}

Message& Message::integer(int field, int64_t value) {
  varint(tag(field, kVarint));
  varint(static_cast<uint64_t>(value));
  return *this;
}

Message& Message::number(int field, float value) {
  varint(tag(field, kFourBytes));
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  for (int shift = 0; shift < 32; shift += 8) data_ += static_cast<char>(bits >> shift & 0xff);
  return *this;
}

Message& Message::announce(int field, uint64_t bytes) {
  varint(tag(field, kBytes));
  varint(bytes);
  return *this;
}

Message& Message::text(int field, std::string_view value) {
  announce(field, value.size());
  data_ += value;
  return *this;
}

}  // namespace vitrim::exporter
