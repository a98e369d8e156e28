#pragma once
// Messages kept for one caller, in place of the process-wide sink.

#include <string>
#include <vector>

#include "vitrim/core/log.h"

namespace vitrim {

/// While it exists, warnings that the constructing thread logs are kept here and do not reach the sink
/// (log.h): for a call that hands them to its caller while other threads work. Messages of LogLevel::kInfo
/// are dropped. Captures of one thread nest; the innermost one takes what is logged.
class LogCapture {
 public:
  LogCapture();
  ~LogCapture();
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  /// In the order in which they were logged, each once.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  friend bool captured(LogLevel level, const std::string& text);
  std::vector<std::string> warnings_;
  LogCapture* outer_;
};

/// Whether a capture of this thread took the message. For log.cpp.
bool captured(LogLevel level, const std::string& text);

}  // namespace vitrim
