#pragma once
// The members of tar archives, found without reading their data.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "data/random_access_file.h"

namespace vitrim::data {

/// A file in an archive.
struct TarMember {
  std::string name;    ///< as the archive spells it, "folder/0001.jpg"
  int64_t offset = 0;  ///< of its first byte in the archive
  int64_t size = 0;    ///< bytes
  bool link = false;   ///< a hard or symbolic link, which has no bytes of its own
};

/// Walks over an archive's members: ustar, the older v7, GNU tar's long names and large sizes, and pax with
/// its path and size records. Costs one small read a member, or less where members are small.
class TarReader {
 public:
  explicit TarReader(const RandomAccessFile& file) : file_(file) {}
  /// Goes to the next regular file or link; false at the archive's end. Throws FormatError with the byte
  /// where something is no tar header, where the archive is cut off (also one that only lacks its end mark),
  /// or where a member is stored sparsely.
  bool next(TarMember& member);
  /// A member's bytes, for small ones.
  std::string read(const TarMember& member) { return bytes_at(member.offset, member.size); }

 private:
  [[noreturn]] void fail(int64_t offset, const std::string& what) const;
  std::string bytes_at(int64_t offset, int64_t count);
  void check_end(int64_t offset);

  const RandomAccessFile& file_;
  int64_t position_ = 0;  // of the next header
  // The stretch around the last read: small members and the header after them often lie within.
  std::array<char, 4096> window_;
  int64_t window_begin_ = 0;
  size_t window_size_ = 0;
};

}  // namespace vitrim::data
