#include "vitrim/core/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

#include "vitrim/core/error.h"

namespace vitrim {
namespace {

// The remedy for a system error; "" if the reason is enough.
std::string remedy(int error) {
  switch (error) {
    case ENOSPC:
      return "no space left on the device: free some and run again";
    case EDQUOT:
      return "the disk quota is used up: free some space and run again";
    case EFBIG:
      return "the file is larger than the file system or the limit (ulimit -f) allows";
    case EACCES:
    case EPERM:
      return "permission denied: choose another place or change the permissions";
    case EROFS:
      return "the file system is read-only: choose another place";
    case ENOENT:
      return "no such folder: create it first";
    case ENOTDIR:
      return "a part of the path is a file, not a folder";
    case EISDIR:
      return "it is a folder: name a file in it";
    case ENAMETOOLONG:
      return "the name is too long for the file system: choose a shorter one";
    default:
      return std::strerror(error);
  }
}

[[noreturn]] void fail(const std::string& action, const std::string& path, const std::string& why) {
  throw Error("[core::AtomicFile] cannot " + action + " " + path + ": " + why);
}

[[noreturn]] void fail(const std::string& action, const std::string& path, int error) {
  fail(action, path, remedy(error));
}

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

// The file that `path` means after symbolic links are followed; it need not exist yet.
std::string follow_links(const std::string& path) {
  std::filesystem::path target = path;
  constexpr int kMostLinks = 40;  // the limit of Linux
  for (int links = 0; links < kMostLinks; ++links) {
    std::error_code error;
    if (!std::filesystem::is_symlink(std::filesystem::symlink_status(target, error))) return target.string();
    const std::filesystem::path next = std::filesystem::read_symlink(target, error);
    if (error) fail("follow the link", path, error.value());
    target = next.is_absolute() ? next : target.parent_path() / next;
  }
  fail("follow the link", path, ELOOP);
}

// The descriptor that a name such as /dev/stdout means, or -1. Opening the name would start at the beginning
// of a redirected file and overwrite what the shell or the program has written already; a duplicate of the
// descriptor continues at the same place.
int inherited_descriptor(const std::string& path) {
  if (path == "/dev/stdout") return STDOUT_FILENO;
  if (path == "/dev/stderr") return STDERR_FILENO;
  for (const std::string_view prefix : {"/dev/fd/", "/proc/self/fd/"}) {
    if (path.compare(0, prefix.size(), prefix) != 0) continue;
    int number = -1;
    const char* end = path.data() + path.size();
    const auto [stop, error] = std::from_chars(path.data() + prefix.size(), end, number);
    return error == std::errc() && stop == end && number >= 0 ? number : -1;
  }
  return -1;
}

int open_direct(const std::string& path) {
  const int inherited = inherited_descriptor(path);
  const int descriptor =
      inherited >= 0 ? ::fcntl(inherited, F_DUPFD_CLOEXEC, 0) : ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) fail("open", path, errno == ENXIO ? "nothing reads from it" : remedy(errno));
  return descriptor;
}

// The existing temporary files, so that a program that must exit at once can remove them; and the lock under
// which files are renamed, so that the program does not exit between two files of a set.
std::recursive_mutex outputs_mutex;
std::set<std::string>& temporaries() {
  static auto* const all = new std::set<std::string>;  // outlives every thread
  return *all;
}

void remove_temporary(const std::string& temporary) {
  const std::lock_guard lock(outputs_mutex);
  ::unlink(temporary.c_str());
  temporaries().erase(temporary);
}

thread_local OutputSet* current_set = nullptr;
std::atomic<uint64_t> counter{0};  // number for the next name

std::string unused_ending(const char* kind) {
  return "." + std::to_string(::getpid()) + "." + std::to_string(counter++) + kind;
}

int open_temporary(const std::string& path, const std::string& target, std::string& temporary) {
  // The name itself must be possible, or all the work is lost.
  struct stat unused{};
  if (::lstat(target.c_str(), &unused) != 0 && errno == ENAMETOOLONG) fail("write", path, errno);
  bool shorter = false;
  while (true) {
    const std::string ending = unused_ending(".tmp");
    temporary = (shorter ? folder_of(target) + "/.vitrim" : target) + ending;
    const std::lock_guard lock(outputs_mutex);
    const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor >= 0) {
      temporaries().insert(temporary);
      return descriptor;
    }
    // The file of a killed process with the same number: try the next name.
    if (errno == EEXIST || errno == EINTR) continue;
    if (errno == ENAMETOOLONG && !std::exchange(shorter, true)) continue;
    const int error = errno;
    temporary.clear();
    fail("write", path, remedy(error) + " (folder " + folder_of(target) + ")");
  }
}

// Makes the rename durable too. Some file systems cannot sync folders, and the data is safe by then, so
// errors are ignored.
void sync_folder(const std::string& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

void rename_temporary(const std::string& temporary, const std::string& target, const std::string& path) {
  const std::lock_guard lock(outputs_mutex);
  if (::rename(temporary.c_str(), target.c_str()) != 0) fail("write", path, errno);
  temporaries().erase(temporary);
}

// Keeps the file that is about to be replaced under another name, which it returns; "" if there is none.
std::string keep_old(const std::string& target, const std::string& path) {
  while (true) {
    std::string kept = folder_of(target) + "/.vitrim" + unused_ending(".old");
    if (::link(target.c_str(), kept.c_str()) == 0) return kept;
    if (errno == ENOENT) return {};
    if (errno == EEXIST) continue;  // file of a killed process with the same number
    struct stat status{};
    if (::lstat(target.c_str(), &status) != 0 || !S_ISREG(status.st_mode))
      return {};                                                   // the rename will report the reason
    if (::rename(target.c_str(), kept.c_str()) == 0) return kept;  // a file system without hard links
    fail("write", path, errno);
  }
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  if (path_.empty()) throw std::invalid_argument("[core::AtomicFile] the path is empty");
  struct stat status{};
  const bool exists = ::stat(path_.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) fail("write", path_, EISDIR);
  if (inherited_descriptor(path_) >= 0 || (exists && !S_ISREG(status.st_mode))) {
    target_ = path_;
    descriptor_ = open_direct(path_);
    return;
  }
  target_ = follow_links(path_);
  // Renaming would replace a write-protected file without asking, but it was protected intentionally.
  if (exists && ::faccessat(AT_FDCWD, path_.c_str(), W_OK, AT_EACCESS) != 0) fail("write", path_, errno);
  descriptor_ = open_temporary(path_, target_, temporary_);
  if (exists) (void)!::fchmod(descriptor_, status.st_mode & 07777);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) remove_temporary(temporary_);
}

void AtomicFile::write(const void* data, size_t bytes) {
  if (descriptor_ < 0 || failed_)
    throw std::logic_error("[core::AtomicFile] write after commit or after a failure");
  const char* next = static_cast<const char*>(data);
  while (bytes > 0) {
    // A full disk causes a short write first and an error only on the next call, so the loop continues until
    // everything is written.
    const ssize_t written = ::write(descriptor_, next, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int error = written < 0 ? errno : ENOSPC;
      failed_ = true;
      fail("write", path_, error);
    }
    next += written;
    bytes -= static_cast<size_t>(written);
  }
}

void AtomicFile::commit() {
  if (descriptor_ < 0 || failed_)
    throw std::logic_error("[core::AtomicFile] commit after commit or after a failure");
  const bool direct = temporary_.empty();
  // Some file systems (NFS, quotas) report a full disk only here. Pipes and terminals cannot be synced
  // (EINVAL, EROFS).
  if (::fsync(descriptor_) != 0 && !direct) {
    failed_ = true;
    fail("write", path_, errno);
  }
  const int closed = ::close(std::exchange(descriptor_, -1));
  if (closed != 0 && errno != EINTR) fail("write", path_, errno);
  if (direct) return;
  if (current_set) {
    for (const OutputSet::Pending& one : current_set->pending_) {
      if (one.target == target_)
        fail("write", path_, "another output of this run has the same name: choose another");
    }
    current_set->pending_.push_back({path_, target_, std::exchange(temporary_, "")});
    return;
  }
  rename_temporary(temporary_, target_, path_);
  temporary_.clear();
  sync_folder(folder_of(target_));
}

OutputSet::OutputSet() : outer_(std::exchange(current_set, this)) {}

OutputSet::~OutputSet() {
  if (!finished_) current_set = outer_;
  for (const Pending& one : pending_) remove_temporary(one.temporary);
}

void OutputSet::commit() {
  if (std::exchange(finished_, true)) throw std::logic_error("[core::OutputSet] commit after commit");
  current_set = outer_;
  if (outer_) {
    outer_->pending_.insert(outer_->pending_.end(), pending_.begin(), pending_.end());
    pending_.clear();
  }
  const std::lock_guard lock(outputs_mutex);
  std::vector<std::string> kept;  // the previous files, one per entry of pending_
  try {
    for (const Pending& one : pending_) {
      kept.push_back(keep_old(one.target, one.path));
      rename_temporary(one.temporary, one.target, one.path);
    }
  } catch (...) {
    for (size_t i = kept.size(); i-- > 0;) {
      const Pending& one = pending_[i];
      const bool renamed = i + 1 < kept.size();
      if (!kept[i].empty())
        ::rename(kept[i].c_str(), one.target.c_str());
      else if (renamed)
        ::unlink(one.target.c_str());
      ::unlink(kept[i].c_str());  // if it was still the same file, renaming left both names
    }
    throw;
  }
  std::set<std::string> folders;
  for (size_t i = 0; i < pending_.size(); ++i) {
    if (!kept[i].empty()) ::unlink(kept[i].c_str());
    folders.insert(folder_of(pending_[i].target));
  }
  for (const std::string& folder : folders) sync_folder(folder);
  pending_.clear();
}

uint64_t OutputSet::bytes(const std::string& path) const {
  for (const Pending& one : pending_) {
    struct stat status{};
    if (one.path == path && ::stat(one.temporary.c_str(), &status) == 0)
      return static_cast<uint64_t>(status.st_size);
  }
  return 0;
}

void abandon_outputs() noexcept {
  // The lock is never released, so nothing is renamed afterwards. A thread that hangs in the file system may
  // hold it.
  for (int tries = 0; !outputs_mutex.try_lock() && tries < 50; ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  for (const std::string& temporary : temporaries()) ::unlink(temporary.c_str());
}

void write_text_file(const std::string& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

std::string read_text_file(const std::string& path) {
  const auto fail_reading = [&](int error) {
    const std::string why = error == ENOENT   ? "no such file"
                            : error == EISDIR ? "it is a folder"
                                              : std::strerror(error);
    throw Error("[core::read_text_file] cannot read " + path + ": " + why);
  };
  // O_NONBLOCK: opening a named pipe must fail below instead of waiting for a writer.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) fail_reading(errno);
  struct stat status{};
  if (::fstat(descriptor, &status) != 0 || (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))) {
    ::close(descriptor);
    throw Error(
        "[core::read_text_file] cannot read " + path +
        ": it is a pipe or a device, which may have no end; write its content to a file and name that");
  }
  std::string text;
  char buffer[1 << 16];
  while (true) {
    const ssize_t got = ::read(descriptor, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      const int error = got < 0 ? errno : 0;
      ::close(descriptor);
      if (error != 0) fail_reading(error);
      return text;
    }
    text.append(buffer, static_cast<size_t>(got));
  }
}

void check_writable(const std::string& path) { const AtomicFile probe(path); }

}  // namespace vitrim
