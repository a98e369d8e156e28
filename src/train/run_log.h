#pragma once
// The log of a run: JSON lines that are appended during the run.

#include <cstdint>
#include <string>

namespace vitrim::train {

class RunLog {
 public:
  /// Opens `path` for a new run (an older log is replaced). If `resume_at` is not negative, the log continues
  /// after that many bytes, because lines that a killed run wrote after its last state will be written again.
  /// An empty path means no log. Throws Error if the file can't be written, or if another process is still
  /// writing it.
  RunLog(std::string path, int64_t resume_at);
  ~RunLog();
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;
  /// Appends one line. A full disk causes one warning but does not stop the run, because the weights matter
  /// more.
  void line(const std::string& text);
  int64_t bytes() const { return bytes_; }

 private:
  std::string path_;
  int descriptor_ = -1;
  int64_t bytes_ = 0;
  bool warned_ = false;
};

}  // namespace vitrim::train
