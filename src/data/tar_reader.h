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
  std::string name;    ///< name in the archive, "folder/0001.jpg"
  int64_t offset = 0;  ///< offset of its first byte in the archive
  int64_t size = 0;    ///< size in bytes
  bool link = false;   ///< a hard or symbolic link, which has no content in the archive
};

/// Iterates over the members of an archive: ustar, the older v7, GNU tar's long names and large sizes, and
/// pax with its path and size records. Costs one small read per member, or less if members are small.
class TarReader {
 public:
  explicit TarReader(const RandomAccessFile& file) : file_(file) {}
  /// Moves to the next regular file or link; returns false at the end of the archive. Throws FormatError,
  /// with the byte, if a header is invalid, if the archive is truncated (also if only its end mark is
  /// missing), or if a member is stored sparsely.
  bool next(TarMember& member);
  /// Reads the bytes of a small member.
  std::string read(const TarMember& member) { return bytes_at(member.offset, member.size); }

 private:
  [[noreturn]] void fail(int64_t offset, const std::string& what) const;
  std::string bytes_at(int64_t offset, int64_t count);
  void check_end(int64_t offset);

  const RandomAccessFile& file_;
  int64_t position_ = 0;  // position of the next header
  // The range around the last read: small members and the next header are often within it.
  std::array<char, 4096> window_;
  int64_t window_begin_ = 0;
  size_t window_size_ = 0;
};

}  // namespace vitrim::data
