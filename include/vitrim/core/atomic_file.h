#pragma once
// Files that are either the old one or the whole new one, never a half.

#include <cstddef>
#include <string>
#include <string_view>

namespace vitrim {

/// Writes to `PATH.<pid>.<counter>.tmp` beside the target and renames on commit(); without commit() the
/// destructor removes the temporary file and the old file stays. A symbolic link stays one: the file it
/// points to is replaced, in its own folder. An existing file's permissions are kept, and a write-protected
/// one is refused. What is no regular file (/dev/stdout, /dev/null, a pipe) cannot be replaced and is written
/// directly, so there nothing is undone. Throws vitrim::Error with the path, the system's reason and the
/// mend.
class AtomicFile {
 public:
  /// Opens the temporary file. Fails at once where the folder is missing or not writable, before any work is
  /// spent.
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  /// Throws where not everything could be written; the object can then only be destroyed.
  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Flushes to the disk and renames. The object is finished afterwards.
  void commit();

 private:
  std::string path_;       // as the caller named it, for messages
  std::string target_;     // with symbolic links followed
  std::string temporary_;  // empty where the target is written directly
  int descriptor_ = -1;
  bool failed_ = false;
};

/// Writes `text` to `path` atomically.
void write_text_file(const std::string& path, std::string_view text);
/// Reads a whole regular file; throws vitrim::Error where that fails or `path` is a folder, a pipe or a
/// device.
std::string read_text_file(const std::string& path);
/// Throws vitrim::Error unless a file could be written at `path` (its folder exists and is writable, `path`
/// is no folder). Leaves nothing behind; call it before long work.
void check_writable(const std::string& path);

}  // namespace vitrim
