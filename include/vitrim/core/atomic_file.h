#pragma once
// Files that are either the old one or the whole new one, never a half.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vitrim {

/// Writes to `PATH.<pid>.<counter>.tmp` beside the target (a shorter name where that is too long) and renames
/// on commit(); without commit() the destructor removes the temporary file and the old file stays. A symbolic
/// link stays one: the file it points to is replaced, in its own folder. An existing file's permissions are
/// kept, and a write-protected one is refused. What is no regular file (/dev/stdout, /dev/null, a pipe)
/// cannot be replaced and is written directly, so there nothing is undone. Throws vitrim::Error with the
/// path, the system's reason and the remedy.
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
  /// Flushes to the disk and renames, or where an OutputSet exists leaves the renaming to it. The object is
  /// finished afterwards.
  void commit();

 private:
  std::string path_;       // as the caller named it, for messages
  std::string target_;     // with symbolic links followed
  std::string temporary_;  // empty where the target is written directly
  int descriptor_ = -1;
  bool failed_ = false;
};

/// The files of one result, which come together or not at all. While one exists, the AtomicFiles that its
/// thread commits (through whatever function writes them) are whole on the disk, but under their temporary
/// names; commit() renames all. Without commit() none of them appears. Sets
/// nest: commit() of an inner one leaves its files to the outer one. Two files of one name are an Error.
class OutputSet {
 public:
  OutputSet();
  ~OutputSet();
  OutputSet(const OutputSet&) = delete;
  OutputSet& operator=(const OutputSet&) = delete;
  /// Renames the files in the order in which they were written. Where one can't be renamed, those before it
  /// are what they were again, and Error says why. The object is finished afterwards.
  void commit();
  /// Bytes of the file that was written as `path`, which bears that name only after commit(); 0 for none.
  uint64_t bytes(const std::string& path) const;

 private:
  friend class AtomicFile;
  struct Pending {
    std::string path, target, temporary;
  };
  std::vector<Pending> pending_;
  OutputSet* outer_;
  bool finished_ = false;
};

/// Removes the temporary files of all AtomicFiles that are not committed, for a program that ends at once; no
/// file is renamed from then on.
void abandon_outputs() noexcept;

/// Writes `text` to `path` atomically.
void write_text_file(const std::string& path, std::string_view text);
/// Reads a whole regular file; throws vitrim::Error where that fails or `path` is a folder, a pipe or a
/// device.
std::string read_text_file(const std::string& path);
/// Throws vitrim::Error unless a file could be written at `path` (its folder exists and is writable, `path`
/// is no folder). Leaves nothing behind; call it before long work.
void check_writable(const std::string& path);

}  // namespace vitrim
