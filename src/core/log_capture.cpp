#include "vitrim/core/log_capture.h"

#include <algorithm>

namespace vitrim {
namespace {

thread_local LogCapture* innermost = nullptr;

}  // namespace

LogCapture::LogCapture() : outer_(innermost) { innermost = this; }
LogCapture::~LogCapture() { innermost = outer_; }

bool captured(LogLevel level, const std::string& text) {
  if (innermost == nullptr) return false;
  auto& kept = innermost->warnings_;
  if (level == LogLevel::kWarning && std::find(kept.begin(), kept.end(), text) == kept.end())
    kept.push_back(text);
  return true;
}

}  // namespace vitrim
