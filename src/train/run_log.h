#pragma once
// A run's log: JSON lines, appended as it goes.

#include <cstdint>
#include <string>

namespace vitrim::train {

class RunLog {
 public:
  /// Opens `path` for a new run (an older log is replaced), or, where `resume_at` is not negative, goes on
  /// after that many bytes: lines that a killed run wrote after its last state come again. An empty path: no
  /// log. Throws Error where the file can't be written, or another process still writes it.
  RunLog(std::string path, int64_t resume_at);
  ~RunLog();
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;
  /// One line. A full disk makes a warning, once, not an end: the weights matter more.
  void line(const std::string& text);
  int64_t bytes() const { return bytes_; }

 private:
  std::string path_;
  int descriptor_ = -1;
  int64_t bytes_ = 0;
  bool warned_ = false;
};

}  // namespace vitrim::train
