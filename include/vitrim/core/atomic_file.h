#pragma once
// Files that are either the old one or the whole new one, never a half.

#include <cstddef>
#include <string>
#include <string_view>

namespace vitrim {

/// Writes to `PATH.<pid>.tmp` beside the target and renames on commit(); without commit() the destructor removes the temporary file
/// and the old file stays. Throws vitrim::Error with the path and the system's reason (no permission, disk full).
class AtomicFile {
 public:
  /// Opens the temporary file. Fails at once where the folder is missing or not writable, before any work is spent.
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Flushes to the disk and renames. The object is finished afterwards.
  void commit();

 private:
  std::string path_;
  std::string temporary_;
  int descriptor_ = -1;
};

/// Writes `text` to `path` atomically.
void write_text_file(const std::string& path, std::string_view text);
/// Reads a whole file; throws vitrim::Error where that fails or `path` is a folder.
std::string read_text_file(const std::string& path);
/// Throws vitrim::Error unless a file could be written at `path` (its folder exists and is writable, `path` is no folder). Leaves
/// nothing behind; call it before long work.
void check_writable(const std::string& path);

}  // namespace vitrim
