#include "streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "vitrim/core/error.h"

namespace vitrim::app {

namespace {

// The length of the UTF-8 character at the beginning of `text`, and its code; 0 if there is no valid one.
size_t character(std::string_view text, uint32_t& code) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  const size_t length = first < 0x80   ? 1
                        : first < 0xc2 ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
  if (length == 0 || length > text.size()) return 0;
  code = length == 1 ? first : first & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = (code << 6) | (byte(i) & 0x3f);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  return code < kSmallest[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : length;
}

bool is_shown(uint32_t code) {
  if (code == '\n') return true;
  if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return false;       // C0, DEL, C1
  if (code == 0x200e || code == 0x200f || code == 0x61c) return false;  // marks of the writing direction
  return !(code >= 0x2028 && code <= 0x202e) && !(code >= 0x2066 && code <= 0x2069);
}

[[noreturn]] void fail(int error) {
  const std::string why = error == ENOSPC   ? "no space left on the device: free some and run again"
                          : error == EDQUOT ? "the disk quota is used up: free some space and run again"
                          : error == EBADF  ? "it is closed: pass --quiet, or send it to a file"
                          : error == 0      ? "a write failed"
                                            : std::strerror(error);
  throw Error("cannot write to standard output: " + why);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    uint32_t code = 0;
    const size_t length = character(text, code);
    if (length > 0 && is_shown(code))
      out += text.substr(0, length);
    else
      out += '?';
    text.remove_prefix(length > 0 ? length : 1);
  }
  return out;
}

void tell(const char* format, ...) {
  va_list first, second;
  va_start(first, format);
  va_copy(second, first);
  const int length = std::vsnprintf(nullptr, 0, format, first);
  va_end(first);
  std::string text(length > 0 ? static_cast<size_t>(length) : 0, '\0');
  std::vsnprintf(text.data(), text.size() + 1, format, second);
  va_end(second);
  text = printable(text);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void hold_standard_streams() {
  // Reading from descriptor 1 works, writing fails with EBADF, as it would if it were closed.
  constexpr int kModes[] = {O_RDONLY, O_RDONLY, O_WRONLY};
  for (int descriptor = 0; descriptor < 3; ++descriptor) {
    if (::fcntl(descriptor, F_GETFD) < 0 && errno == EBADF)
      (void)::open("/dev/null", kModes[descriptor]);  // takes the lowest free descriptor, which is this one
  }
}

void write_standard_output(std::string_view text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) fail(errno);
  check_standard_output();
}

void check_standard_output() {
  errno = 0;
  std::cout.flush();
  if (std::fflush(stdout) != 0 || std::ferror(stdout) || !std::cout) fail(errno);
}

}  // namespace vitrim::app
