#pragma once
// Regular files, read whole or at positions. Images, class lists and shards are read through this, so that no
// pipe stops the program and no endless device fills its memory.

#include <cstddef>
#include <cstdint>
#include <string>

namespace vitrim::data {

/// A regular file that is read at positions, by several threads at once.
class RandomAccessFile {
 public:
  /// Throws vitrim::Error where the file can't be opened or is no regular file (a folder, a pipe, a device);
  /// it never waits for the other end of a pipe.
  explicit RandomAccessFile(std::string path);
  ~RandomAccessFile();
  RandomAccessFile(const RandomAccessFile&) = delete;
  RandomAccessFile& operator=(const RandomAccessFile&) = delete;

  const std::string& path() const { return path_; }
  int64_t size() const { return size_; }
  /// Reads `count` bytes from `offset` on, or fewer at the file's end; how many is the result. Throws
  /// vitrim::Error where reading fails.
  size_t read(int64_t offset, void* bytes, size_t count) const;

 private:
  std::string path_;
  int descriptor_ = -1;
  int64_t size_ = 0;
};

/// All bytes of a regular file. Throws vitrim::Error as RandomAccessFile does, and FormatError where the file
/// has more than `most` bytes or became shorter meanwhile; `what` names what such a file holds, "image".
std::string read_regular_file(const std::string& path, int64_t most, const std::string& what);

/// No image file is larger: a gigabyte.
inline constexpr int64_t kMaxImageBytes = int64_t{1} << 30;

}  // namespace vitrim::data
