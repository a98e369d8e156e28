#pragma once
// Messages and progress. The library itself never prints. It writes to one sink for the whole process, which
// is silent by default and which a program (apps/vitrim) or a binding replaces.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace vitrim {

enum class LogLevel { kInfo, kWarning };

/// The progress of one named stage of work.
struct ProgressUpdate {
  std::string stage;      ///< "decode", "transfer entropy", ...
  std::string unit;       ///< the unit that is counted: "images", "sets"
  int64_t done = 0;       ///< units finished
  int64_t total = 0;      ///< total number of units; 0 if unknown
  double seconds = 0;     ///< since the stage began
  bool finished = false;  ///< the stage's last update
  double rate() const { return seconds > 0 ? static_cast<double>(done) / seconds : 0; }
  /// Seconds that remain at the average rate so far; 0 if unknown.
  double seconds_left() const {
    return rate() > 0 && total > done ? static_cast<double>(total - done) / rate() : 0;
  }
};

/// Receives messages and progress, possibly from several threads at once.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void message(LogLevel level, const std::string& text) = 0;
  virtual void progress(const ProgressUpdate& update) = 0;
};

/// Replaces the process-wide sink; nullptr restores silence. Thread-safe.
void set_log_sink(std::shared_ptr<LogSink> sink);
void log_info(const std::string& text);
void log_warning(const std::string& text);

/// Asks all running work to stop at its next progress step. Async-signal-safe, so a SIGINT handler may call
/// it.
void request_cancel() noexcept;
/// Forgets an earlier request.
void clear_cancel() noexcept;
/// Throws Interrupted if a stop was requested.
void check_cancelled();

/// Reports the progress of one stage of work; construct it when the stage begins. advance() is cheap and
/// thread-safe; it sends at most ten updates per second to the sink, and throws Interrupted after
/// request_cancel(). The destructor sends the last update.
class Progress {
 public:
  Progress(std::string stage, int64_t total, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void advance(int64_t units = 1);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vitrim
