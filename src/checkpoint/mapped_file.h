#pragma once
// Checkpoint files as read-only memory.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace vitrim::checkpoint {

/// A range of read-only memory, and the object that keeps it alive.
struct Bytes {
  std::shared_ptr<const void> owner;
  const uint8_t* data = nullptr;
  size_t size = 0;
};

/// A regular file, memory-mapped read-only as a whole.
class MappedFile {
 public:
  /// Throws vitrim::Error if `path` can't be opened: missing (with the nearest existing names), a folder, no
  /// permission, not a regular file; FormatError if it is empty.
  static std::shared_ptr<const MappedFile> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  MappedFile(std::string path, const uint8_t* data, size_t size);
  std::string path_;
  const uint8_t* data_;
  size_t size_;
};

/// The message about a file that does not exist: the nearest names in its folder, or that the folder does not
/// exist either.
std::string missing_file_hint(const std::string& path);

}  // namespace vitrim::checkpoint
