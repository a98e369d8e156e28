#include "terminal_sink.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <mutex>
#include <set>

#include "streams.h"

namespace vitrim::app {

namespace {

std::string duration(double seconds) {
  const int64_t whole = std::llround(seconds);
  char text[32];
  if (whole >= 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", static_cast<long long>(whole / 3600),
                  static_cast<long long>(whole / 60 % 60), static_cast<long long>(whole % 60));
  } else {
    std::snprintf(text, sizeof text, "%lld:%02lld", static_cast<long long>(whole / 60),
                  static_cast<long long>(whole % 60));
  }
  return text;
}

class TerminalSink : public LogSink {
 public:
  explicit TerminalSink(bool quiet) : quiet_(quiet), live_(isatty(STDERR_FILENO) == 1) {}

  ~TerminalSink() override { erase_line(); }

  void message(LogLevel level, const std::string& text) override {
    std::lock_guard<std::mutex> lock(mutex_);
    // Warnings are printed even with --quiet, because they change the meaning of figures.
    if (quiet_ && level == LogLevel::kInfo) return;
    // Some commands open a file twice, first for its architecture; a warning about it is printed once.
    if (level == LogLevel::kWarning && !warned_.insert(text).second) return;
    erase_line();
    std::fprintf(stderr, "%s%s\n", level == LogLevel::kWarning ? "warning: " : "", printable(text).c_str());
  }

  void progress(const ProgressUpdate& update) override {
    if (quiet_) return;
    std::lock_guard<std::mutex> lock(mutex_);
    if (live_) {
      live_line(update);
    } else {
      plain_line(update);
    }
  }

 private:
  void live_line(const ProgressUpdate& update) {
    erase_line();
    if (update.finished) {
      std::fprintf(stderr, "%s\n", text(update).c_str());
      return;
    }
    winsize size{};
    const size_t width =
        ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col - 1u : 79u;
    std::string line = text(update);
    if (update.total > 0 && line.size() + 14 < width) {
      const size_t bar = std::min<size_t>(30, width - line.size() - 4);
      const size_t full = static_cast<size_t>(update.done) * bar / static_cast<size_t>(update.total);
      line +=
          "  [" + std::string(std::min(full, bar), '=') + std::string(bar - std::min(full, bar), ' ') + "]";
    }
    std::fprintf(stderr, "\r%s", line.substr(0, width).c_str());
    std::fflush(stderr);
    drawn_ = true;
  }

  // A log file gets a line every ten seconds, and one at the end of a stage.
  void plain_line(const ProgressUpdate& update) {
    double& last = last_plain_[update.stage];
    if (!update.finished && update.seconds - last < 10) return;
    last = update.finished ? 0 : update.seconds;
    std::fprintf(stderr, "%s\n", text(update).c_str());
  }

  static std::string text(const ProgressUpdate& u) {
    char buffer[256];
    // The names of stages come from the program itself.
    if (u.finished) {
      std::snprintf(buffer, sizeof buffer, "%s: %lld %s in %s", u.stage.c_str(),
                    static_cast<long long>(u.done), u.unit.c_str(), duration(u.seconds).c_str());
    } else if (u.total > 0) {
      std::snprintf(buffer, sizeof buffer, "%s: %lld of %lld %s, %.3g a second, %s left", u.stage.c_str(),
                    static_cast<long long>(u.done), static_cast<long long>(u.total), u.unit.c_str(), u.rate(),
                    duration(u.seconds_left()).c_str());
    } else {
      std::snprintf(buffer, sizeof buffer, "%s: %lld %s, %.3g a second", u.stage.c_str(),
                    static_cast<long long>(u.done), u.unit.c_str(), u.rate());
    }
    return buffer;
  }

  void erase_line() {
    if (!drawn_) return;
    std::fprintf(stderr, "\r\033[K");
    drawn_ = false;
  }

  bool quiet_, live_, drawn_ = false;
  std::mutex mutex_;
  std::map<std::string, double> last_plain_;
  std::set<std::string> warned_;
};

}  // namespace

std::shared_ptr<LogSink> make_terminal_sink(bool quiet) { return std::make_shared<TerminalSink>(quiet); }

}  // namespace vitrim::app
