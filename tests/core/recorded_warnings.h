#pragma once
#include <memory>
#include <mutex>
#include <string>

#include "vitrim/core/log.h"

// Records the warnings during its lifetime, one per line; the log is silent afterwards.
class RecordedWarnings {
 public:
  RecordedWarnings() : sink_(std::make_shared<Sink>()) { vitrim::set_log_sink(sink_); }
  ~RecordedWarnings() { vitrim::set_log_sink(nullptr); }
  RecordedWarnings(const RecordedWarnings&) = delete;
  RecordedWarnings& operator=(const RecordedWarnings&) = delete;

  std::string text() const {
    const std::lock_guard<std::mutex> lock(sink_->mutex);
    return sink_->text;
  }

 private:
  struct Sink : vitrim::LogSink {
    void message(vitrim::LogLevel level, const std::string& message) override {
      const std::lock_guard<std::mutex> lock(mutex);
      if (level == vitrim::LogLevel::kWarning) text += message + "\n";
    }
    void progress(const vitrim::ProgressUpdate&) override {}
    std::mutex mutex;
    std::string text;
  };
  std::shared_ptr<Sink> sink_;
};
