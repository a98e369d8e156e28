#pragma once
// Collects messages for one caller, instead of sending them to the sink of the process.

#include <string>
#include <vector>

#include "vitrim/core/log.h"

namespace vitrim {

/// While it exists, it collects the warnings that the constructing thread logs; they do not reach the sink
/// (log.h). It is for a call that returns its warnings to the caller while other threads work. Messages of
/// LogLevel::kInfo are dropped. Captures of one thread nest; the innermost one collects.
class LogCapture {
 public:
  LogCapture();
  ~LogCapture();
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  /// The warnings in the order in which they were logged, each one once.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  friend bool captured(LogLevel level, const std::string& text);
  std::vector<std::string> warnings_;
  LogCapture* outer_;
};

/// Whether a capture of this thread took the message. For log.cpp.
bool captured(LogLevel level, const std::string& text);

}  // namespace vitrim
