#include "data/random_access_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "vitrim/core/error.h"

namespace vitrim::data {
namespace {

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return S_ISSOCK(mode) ? "a socket" : "something else";
}

}  // namespace

RandomAccessFile::RandomAccessFile(std::string path) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0)
    throw Error(path_ + ": " + std::strerror(errno) + "; make it readable or name another file");
  struct stat status{};
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor_);
    throw Error(path_ + ": not a regular file but " + kind_of(status.st_mode) +
                "; only regular files are read, so copy its content into one");
  }
  size_ = status.st_size;
}

RandomAccessFile::~RandomAccessFile() { ::close(descriptor_); }

size_t RandomAccessFile::read(int64_t offset, void* bytes, size_t count) const {
  size_t done = 0;
  while (done < count) {
    const ssize_t got = ::pread(descriptor_, static_cast<char*>(bytes) + done, count - done,
                                offset + static_cast<int64_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(path_ + ": " + std::strerror(errno) + "; check the disk");
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

std::string read_regular_file(const std::string& path, int64_t most, const std::string& what) {
  const RandomAccessFile file(path);
  if (file.size() > most) {
    throw FormatError(path, "",
                      "has " + std::to_string(file.size()) + " bytes, more than any " + what + " (" +
                          std::to_string(most) + "); replace the file");
  }
  std::string bytes(static_cast<size_t>(file.size()), '\0');
  if (file.read(0, bytes.data(), bytes.size()) < bytes.size())
    throw FormatError(path, "", "became shorter while it was read; restore the file");
  return bytes;
}

}  // namespace vitrim::data
