#include "data/unicode.h"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>

namespace vitrim::data {
namespace {

/// Sorting a run of combining accents takes quadratic time, so only texts that may be a file name (255 bytes,
/// tripled in UTF-16) are normalised.
constexpr size_t kLongestName = 1024;

const utf8proc_uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const utf8proc_uint8_t*>(text.data());
}

void append(std::string& out, utf8proc_int32_t character) {
  utf8proc_uint8_t bytes[4];
  const utf8proc_ssize_t count = utf8proc_encode_char(character, bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(count));
}

}  // namespace

std::string composed(std::string_view text) {
  if (text.size() > kLongestName) return std::string(text);
  utf8proc_uint8_t* raw = nullptr;
  const utf8proc_ssize_t count =
      utf8proc_map(bytes_of(text), static_cast<utf8proc_ssize_t>(text.size()), &raw,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(raw, &std::free);
  if (count < 0) return std::string(text);
  return {reinterpret_cast<const char*>(raw), static_cast<size_t>(count)};
}

std::string lower_case(std::string_view text) {
  const std::string whole = composed(text);
  std::string out;
  for (size_t at = 0; at < whole.size();) {
    utf8proc_int32_t character = -1;
    const utf8proc_ssize_t used =
        utf8proc_iterate(bytes_of(whole) + at, static_cast<utf8proc_ssize_t>(whole.size() - at), &character);
    if (used <= 0) {
      out += whole[at++];
      continue;
    }
    append(out, utf8proc_tolower(character));
    at += static_cast<size_t>(used);
  }
  return out;
}

std::optional<std::string> from_utf16(std::string_view bytes, bool big_endian) {
  if (bytes.size() % 2 != 0) return std::nullopt;
  const auto unit = [&](size_t i) {
    const auto first = static_cast<unsigned char>(bytes[i]),
               second = static_cast<unsigned char>(bytes[i + 1]);
    return static_cast<utf8proc_int32_t>(big_endian ? first << 8 | second : second << 8 | first);
  };
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    utf8proc_int32_t character = unit(i);
    if (character >= 0xDC00 && character < 0xE000) return std::nullopt;
    if (character >= 0xD800 && character < 0xDC00) {  // the first half of a pair
      i += 2;
      if (i >= bytes.size()) return std::nullopt;
      const utf8proc_int32_t low = unit(i);
      if (low < 0xDC00 || low >= 0xE000) return std::nullopt;
      character = 0x10000 + ((character - 0xD800) << 10) + (low - 0xDC00);
    }
    append(out, character);
  }
  return out;
}

}  // namespace vitrim::data
