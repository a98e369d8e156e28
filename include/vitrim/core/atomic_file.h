#pragma once
// Files that are replaced atomically: a reader sees the old or the new content, never a part.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vitrim {

/// Writes to `PATH.PID.COUNTER.tmp` in the target's folder (or a shorter name if that is too long) and
/// renames it on commit(). Without commit(), the destructor removes the temporary file, and the old file
/// stays. A symbolic link stays a link: the file that it points to is replaced, in its own folder. An
/// existing file's permissions are kept; a write-protected file is refused. A target that is not a regular
/// file (/dev/stdout, /dev/null, a pipe) can't be replaced, so it is written directly, and nothing can be
/// undone there. Throws vitrim::Error with the path, the system's reason and the remedy.
class AtomicFile {
 public:
  /// Opens the temporary file. Throws at once if the folder is missing or not writable, so that no work is
  /// wasted.
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  /// Appends to the file. Throws if not everything could be written; afterwards the object can only be
  /// destroyed.
  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Flushes the file to disk and renames it; while an OutputSet exists, that set does the renaming. The
  /// object must not be used afterwards.
  void commit();

 private:
  std::string path_;       // as the caller wrote it, for messages
  std::string target_;     // with symbolic links followed
  std::string temporary_;  // empty if the target is written directly
  int descriptor_ = -1;
  bool failed_ = false;
};

/// The files of one result, of which all appear or none. While a set exists, each AtomicFile that its thread
/// commits (in whatever function) is written completely to disk, but keeps its temporary name; commit() of
/// the set renames all of them. Without commit() none of them appears. Sets nest: commit() of an inner set
/// passes its files to the outer one. Two files with the same name cause an Error.
class OutputSet {
 public:
  OutputSet();
  ~OutputSet();
  OutputSet(const OutputSet&) = delete;
  OutputSet& operator=(const OutputSet&) = delete;
  /// Renames the files in the order in which they were written. If one can't be renamed, the files before it
  /// get their old content back, and an Error gives the reason. The object must not be used afterwards.
  void commit();
  /// Size in bytes of the file that was written as `path`, which has that name only after commit(); 0 if
  /// there is none.
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

/// Removes the temporary files of all AtomicFiles that are not committed, for a program that exits at once.
/// Afterwards no file is renamed any more.
void abandon_outputs() noexcept;

/// Writes `text` to `path` atomically.
void write_text_file(const std::string& path, std::string_view text);
/// Reads a complete regular file. Throws vitrim::Error if that fails, or if `path` is a folder, a pipe or a
/// device.
std::string read_text_file(const std::string& path);
/// Throws vitrim::Error unless a file could be written at `path` (its folder exists and is writable, and
/// `path` is not a folder). Leaves no file; call it before long work.
void check_writable(const std::string& path);

}  // namespace vitrim
