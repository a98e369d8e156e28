#pragma once
// Regular files, read completely or at positions. Images, class lists and shards are read through this, so
// that a pipe can't block the program and an endless device can't fill its memory.

#include <cstddef>
#include <cstdint>
#include <string>

namespace vitrim::data {

/// A regular file that several threads can read at positions at once.
class RandomAccessFile {
 public:
  /// Throws vitrim::Error if the file can't be opened or is not a regular file (a folder, a pipe, a device);
  /// it never waits for the other end of a pipe.
  explicit RandomAccessFile(std::string path);
  ~RandomAccessFile();
  RandomAccessFile(const RandomAccessFile&) = delete;
  RandomAccessFile& operator=(const RandomAccessFile&) = delete;

  const std::string& path() const { return path_; }
  int64_t size() const { return size_; }
  /// Reads `count` bytes from `offset` on, or fewer at the end of the file, and returns the number of bytes.
  /// Throws vitrim::Error if reading fails.
  size_t read(int64_t offset, void* bytes, size_t count) const;

 private:
  std::string path_;
  int descriptor_ = -1;
  int64_t size_ = 0;
};

/// Reads all bytes of a regular file. Throws vitrim::Error as RandomAccessFile does, and FormatError if the
/// file has more than `most` bytes or became shorter in the meantime. `what` names the kind of content for
/// messages, such as "image".
std::string read_regular_file(const std::string& path, int64_t most, const std::string& what);

/// The largest size of an image file: a gigabyte.
inline constexpr int64_t kMaxImageBytes = int64_t{1} << 30;

}  // namespace vitrim::data
