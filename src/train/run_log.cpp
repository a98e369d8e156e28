#include "train/run_log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "vitrim/core/error.h"
#include "vitrim/core/log.h"

namespace vitrim::train {

RunLog::RunLog(std::string path, int64_t resume_at) : path_(std::move(path)) {
  if (path_.empty()) return;
  descriptor_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0)
    throw Error(path_ + ": cannot write the log: " + std::strerror(errno) +
                "; name another place with --log");
  // A second run with the same outputs would corrupt the first one's log; the lock is released when the
  // process ends, in any way.
  if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    close(descriptor_);
    throw Error(
        path_ +
        ": another run is still writing this log; wait for it, stop it, or choose another output (-o)");
  }
  if (resume_at < 0) {
    if (ftruncate(descriptor_, 0) != 0 && errno != EINVAL)
      log_warning(path_ + ": the lines of an older log could not be removed: " + std::strerror(errno));
    return;
  }
  const off_t length = lseek(descriptor_, 0, SEEK_END);
  bytes_ = length < resume_at ? length : resume_at;
  // A target that can't be truncated (a pipe) is only appended to.
  if (length > bytes_ && ftruncate(descriptor_, bytes_) != 0) bytes_ = length;
  lseek(descriptor_, bytes_, SEEK_SET);
}

RunLog::~RunLog() {
  if (descriptor_ >= 0) close(descriptor_);
}

void RunLog::line(const std::string& text) {
  if (descriptor_ < 0) return;
  const std::string whole = text + "\n";
  const ssize_t written = write(descriptor_, whole.data(), whole.size());
  if (written > 0) bytes_ += written;
  if (written != static_cast<ssize_t>(whole.size()) && !std::exchange(warned_, true)) {
    log_warning(path_ + ": the log cannot be written: " + std::strerror(errno));
  }
}

}  // namespace vitrim::train
