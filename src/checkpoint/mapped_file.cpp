#include "checkpoint/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "vitrim/core/error.h"

namespace vitrim::checkpoint {
namespace {

/// Closes the descriptor on every exit path.
struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

std::string reason(int code) { return std::generic_category().message(code); }

[[noreturn]] void fail_to_open(const std::string& path, int code) {
  if (code == ENOENT || code == ENOTDIR)
    throw Error(path + ": there is no such file; " + missing_file_hint(path));
  if (code == EACCES || code == EPERM)
    throw Error(path + ": no permission to read it; change its mode (chmod +r) or the user");
  throw Error(path + ": can't be opened (" + reason(code) + "); name a readable checkpoint file");
}

}  // namespace

MappedFile::MappedFile(std::string path, const uint8_t* data, size_t size)
    : path_(std::move(path)), data_(data), size_(size) {}

MappedFile::~MappedFile() { ::munmap(const_cast<uint8_t*>(data_), size_); }

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
  // O_NONBLOCK: opening a named pipe must fail below instead of waiting for a writer.
  const Descriptor descriptor{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (descriptor.value < 0) fail_to_open(path, errno);
  struct stat status{};
  if (::fstat(descriptor.value, &status) != 0) fail_to_open(path, errno);
  if (S_ISDIR(status.st_mode))
    throw Error(path + ": is a folder; name a checkpoint file, for example one inside it");
  if (!S_ISREG(status.st_mode))
    throw Error(path + ": is a pipe or device and can't be mapped; name a regular file");
  if (status.st_size == 0)
    throw FormatError(path, "", "the file is empty (0 bytes); copy or download it again");
  const auto size = static_cast<size_t>(status.st_size);
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor.value, 0);
  if (memory == MAP_FAILED)
    throw Error(path + ": can't be mapped into memory (" + reason(errno) +
                "); copy it to a local disk and try again");
  return std::shared_ptr<const MappedFile>(new MappedFile(path, static_cast<const uint8_t*>(memory), size));
}

}  // namespace vitrim::checkpoint
