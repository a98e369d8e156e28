// POSIX.1-1988 (ustar) and POSIX.1-2001 (pax) as pax(1) specifies them; GNU's additions as GNU tar's manual
// describes them.

#include "data/tar_reader.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "vitrim/core/error.h"

namespace vitrim::data {
namespace {

constexpr int64_t kBlock = 512;
constexpr int64_t kMaxExtension = 1 << 20;  // a long name or pax header that needs more is damaged
constexpr int64_t kMaxPadding = 1 << 21;    // bytes that are checked after the end mark

// The positions of the fields in a header.
struct Span {
  size_t offset, size;
};
constexpr Span kName{0, 100}, kSize{124, 12}, kChecksum{148, 8}, kMagic{257, 8}, kPrefix{345, 155};
constexpr size_t kTypeFlag = 156;

std::string_view field(std::string_view header, Span span) { return header.substr(span.offset, span.size); }

/// The text up to the first NUL.
std::string_view text_of(std::string_view bytes) { return bytes.substr(0, bytes.find('\0')); }

/// Octal digits between spaces and NULs, or GNU's big-endian binary after a set top bit; empty if it is
/// neither or too large.
std::optional<int64_t> number_of(std::string_view bytes) {
  int64_t value = 0;
  if (!bytes.empty() && static_cast<unsigned char>(bytes[0]) & 0x80) {
    if (static_cast<unsigned char>(bytes[0]) != 0x80) return std::nullopt;  // negative, or beyond any file
    for (const char c : bytes.substr(1)) {
      if (value >> 55 != 0) return std::nullopt;
      value = value << 8 | static_cast<unsigned char>(c);
    }
    return value;
  }
  const size_t begin = bytes.find_first_not_of(' ');
  if (begin == std::string_view::npos) return std::nullopt;
  const std::string_view digits =
      bytes.substr(begin, bytes.find_first_of(std::string_view(" \0", 2), begin) - begin);
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value, 8);
  if (read.ec != std::errc() || read.ptr != digits.data() + digits.size() || value < 0) return std::nullopt;
  return value;
}

/// The sum of the header's bytes, with blanks in place of the sum itself; old programs used signed bytes.
bool checksum_fits(std::string_view header) {
  const auto wanted = number_of(field(header, kChecksum));
  if (!wanted) return false;
  int64_t plain = 0, with_sign = 0;
  for (size_t i = 0; i < header.size(); ++i) {
    const bool blank = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.size;
    const char c = blank ? ' ' : header[i];
    plain += static_cast<unsigned char>(c);
    with_sign += static_cast<signed char>(c);
  }
  return *wanted == plain || *wanted == with_sign;
}

bool all_zero(std::string_view bytes) { return bytes.find_first_not_of('\0') == std::string_view::npos; }

int64_t padded(int64_t size) { return (size + kBlock - 1) / kBlock * kBlock; }

/// The attributes of the next member from a pax header or a GNU long name.
struct Override {
  std::optional<std::string> path;
  std::optional<int64_t> size;
  bool sparse = false;
};

/// Reads "LENGTH KEY=VALUE\n" records; false if they are malformed.
bool read_pax(std::string_view records, Override& next) {
  while (!records.empty()) {
    size_t length = 0;
    const auto read = std::from_chars(records.data(), records.data() + records.size(), length);
    const size_t digits = static_cast<size_t>(read.ptr - records.data());
    if (read.ec != std::errc() || length > records.size() || length < digits + 3 || records[digits] != ' ' ||
        records[length - 1] != '\n') {
      return false;
    }
    const std::string_view record = records.substr(digits + 1, length - digits - 2);
    const size_t equals = record.find('=');
    if (equals == std::string_view::npos) return false;
    const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
    if (key == "path") next.path = value;
    if (key == "size") {
      int64_t size = -1;
      const auto number = std::from_chars(value.data(), value.data() + value.size(), size);
      if (number.ec != std::errc() || number.ptr != value.data() + value.size() || size < 0) return false;
      next.size = size;
    }
    if (key.starts_with("GNU.sparse.")) next.sparse = true;
    records.remove_prefix(length);
  }
  return true;
}

std::string name_in(std::string_view header) {
  const std::string_view name = text_of(field(header, kName));
  // GNU tar's own format has times in the place of ustar's prefix; it is recognised by blanks after the
  // magic.
  const bool ustar = field(header, kMagic).substr(0, 6) == std::string_view("ustar\0", 6);
  const std::string_view prefix = ustar ? text_of(field(header, kPrefix)) : std::string_view();
  return prefix.empty() ? std::string(name) : std::string(prefix) + "/" + std::string(name);
}

}  // namespace

void TarReader::fail(int64_t offset, const std::string& what) const {
  throw FormatError(file_.path(), "byte " + std::to_string(offset), what);
}

std::string TarReader::bytes_at(int64_t offset, int64_t count) {
  const auto wanted = static_cast<size_t>(count);
  if (count > file_.size() - offset) fail(offset, "the archive is cut off; write or download it again");
  if (wanted > window_.size()) {
    std::string bytes(wanted, '\0');
    if (file_.read(offset, bytes.data(), wanted) < wanted)
      fail(offset, "the archive is cut off; write or download it again");
    return bytes;
  }
  if (offset < window_begin_ || offset + count > window_begin_ + static_cast<int64_t>(window_size_)) {
    window_begin_ = offset;
    window_size_ = file_.read(offset, window_.data(), window_.size());
    if (window_size_ < wanted) fail(offset, "the archive is cut off; write or download it again");
  }
  return {window_.data() + (offset - window_begin_), wanted};
}

void TarReader::check_end(int64_t offset) {
  const int64_t end = std::min(file_.size(), offset + kMaxPadding);
  for (int64_t at = offset; at < end; at += kBlock) {
    if (!all_zero(bytes_at(at, std::min(kBlock, end - at)))) {
      fail(at,
           "data after the archive's end mark, which readers ignore; write joined archives as separate "
           "shards");
    }
  }
}

bool TarReader::next(TarMember& member) {
  Override next;
  bool extended = false;
  while (true) {
    const int64_t at = position_;
    if (at == file_.size() || file_.size() - at < kBlock) {
      if (file_.size() == 0) fail(at, "empty file; write or download the archive again");
      fail(at, "the archive is cut off (its end mark is missing); write or download it again");
    }
    const std::string header = bytes_at(at, kBlock);
    if (all_zero(header)) {
      if (extended) fail(at, "the archive ends where the member of an extended header should be");
      check_end(at + kBlock);
      return false;
    }
    if (at == 0 && header.starts_with("\x1f\x8b"))
      fail(at, "a compressed archive, which does not allow random access; gunzip it");
    if (!checksum_fits(header)) {
      fail(at, at == 0 ? "not a tar archive (the first header's checksum is wrong)"
                       : "not a tar header (its checksum is wrong); the archive is damaged or cut off");
    }
    const char type = header[kTypeFlag];
    std::optional<int64_t> size = number_of(field(header, kSize));
    const bool extension = type == 'L' || type == 'K' || type == 'x' || type == 'g' || type == 'X';
    if (!extension && next.size) size = next.size;
    // Links, devices and folders have no data, whatever size they state.
    const bool without_data = type >= '1' && type <= '6';
    if (without_data) size = 0;
    if (!size) fail(at + static_cast<int64_t>(kSize.offset), "the member's size is not a number");
    const int64_t data = at + kBlock;
    if (*size > file_.size() - data)
      fail(at, "the member ends " + std::to_string(*size - (file_.size() - data)) +
                   " bytes beyond the file; the archive is cut off");
    position_ = std::min(data + padded(*size), file_.size());

    if (extension) {
      if (type == 'K' || type == 'g')
        continue;  // a long link name, or global attributes, which are not a name or a size
      if (*size > kMaxExtension)
        fail(at, "an extended header of " + std::to_string(*size) + " bytes; the archive is damaged");
      const std::string content = bytes_at(data, *size);
      if (type == 'L') {
        next.path = text_of(content);
      } else if (!read_pax(content, next)) {
        fail(data, "malformed pax records");
      }
      extended = true;
      continue;
    }
    if (type == 'S' || next.sparse) fail(at, "a sparse member; write the archive without --sparse");
    std::string name = next.path ? std::move(*next.path) : name_in(header);
    next = {};
    extended = false;
    const bool regular = type == '0' || type == '\0' || type == '7', link = type == '1' || type == '2';
    if ((!regular && !link) || name.ends_with('/')) continue;  // in v7 a folder's name ends in a slash
    member = {std::move(name), data, *size, link};
    return true;
  }
}

}  // namespace vitrim::data
