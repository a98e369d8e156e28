#pragma once
// Builds tar archives byte by byte, so that a test can make wrong ones.

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

namespace vitrim::data::test {

/// The header's bytes with the checksum that they need.
inline std::string tar_summed(std::string header) {
  header.replace(148, 8, 8, ' ');
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  char digits[8];
  std::snprintf(digits, sizeof digits, "%06o", sum);
  return header.replace(148, 8, std::string(digits, 7) + " ");
}

/// A ustar header; `size_field` is the 12 bytes of the size.
inline std::string tar_header(const std::string& name, char type, const std::string& size_field) {
  std::string header(512, '\0');
  header.replace(0, name.size(), name);
  header.replace(100, 7, "0000644");
  header.replace(108, 7, "0000000");
  header.replace(116, 7, "0000000");
  header.replace(124, size_field.size(), size_field);
  header.replace(136, 11, "00000000000");
  header[156] = type;
  header.replace(257, 8, std::string("ustar\00000", 8));
  return tar_summed(header);
}

inline std::string tar_octal(uint64_t size) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%011llo", static_cast<unsigned long long>(size));
  return digits;
}

/// GNU's size: big-endian after a set top bit.
inline std::string tar_binary(uint64_t size) {
  std::string bytes(12, '\0');
  bytes[0] = static_cast<char>(0x80);
  for (int i = 0; i < 8; ++i) bytes[11 - i] = static_cast<char>(size >> (8 * i));
  return bytes;
}

inline std::string tar_padded(std::string data) {
  data.resize((data.size() + 511) / 512 * 512, '\0');
  return data;
}

inline std::string tar_member(const std::string& name, const std::string& data, char type = '0') {
  return tar_header(name, type, tar_octal(data.size())) + tar_padded(data);
}

/// "LENGTH key=value\n", the length counting its own digits.
inline std::string pax_record(const std::string& key, const std::string& value) {
  const std::string rest = " " + key + "=" + value + "\n";
  size_t length = rest.size();
  while (std::to_string(length).size() + rest.size() != length)
    length = std::to_string(length).size() + rest.size();
  return std::to_string(length) + rest;
}

inline const std::string kTarEnd(1024, '\0');

}  // namespace vitrim::data::test
