#include "vitrim/core/log.h"

#include <atomic>
#include <mutex>
#include <utility>

#include "vitrim/core/error.h"
#include "vitrim/core/interrupt.h"
#include "vitrim/core/log_capture.h"

namespace vitrim {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int64_t kNanosecondsBetweenUpdates = 100'000'000;

std::mutex sink_mutex;
std::shared_ptr<LogSink> sink_in_use;

// Callers hold their own reference while they use the sink, so it may be replaced in the meantime, and is
// never called under a lock.
std::shared_ptr<LogSink> current_sink() {
  const std::lock_guard lock(sink_mutex);
  return sink_in_use;
}

void send_message(LogLevel level, const std::string& text) {
  if (captured(level, text)) return;
  if (const auto sink = current_sink()) sink->message(level, text);
}

std::atomic<bool> stop_asked{false};
std::atomic<int> deferrals{0};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may only touch lock-free atomics");

}  // namespace

void set_log_sink(std::shared_ptr<LogSink> sink) {
  {
    const std::lock_guard lock(sink_mutex);
    sink_in_use.swap(sink);
  }
  // The old sink is released here, outside the lock: its destructor may log.
}

void log_info(const std::string& text) { send_message(LogLevel::kInfo, text); }
void log_warning(const std::string& text) { send_message(LogLevel::kWarning, text); }

void request_cancel() noexcept { stop_asked.store(true, std::memory_order_relaxed); }
void clear_cancel() noexcept { stop_asked.store(false, std::memory_order_relaxed); }
bool cancel_requested() noexcept { return stop_asked.load(std::memory_order_relaxed); }

void check_cancelled() {
  if (cancel_requested() && deferrals.load(std::memory_order_relaxed) == 0) throw Interrupted();
}

CancelDeferral::CancelDeferral() { ++deferrals; }
CancelDeferral::~CancelDeferral() { --deferrals; }

struct Progress::State {
  std::string stage;
  std::string unit;
  int64_t total = 0;
  Clock::time_point begin = Clock::now();
  std::atomic<int64_t> done{0};
  std::atomic<int64_t> last_sent{0};  // nanoseconds after `begin`

  int64_t elapsed() const {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count();
  }

  void send(bool finished) const {
    const auto sink = current_sink();
    if (!sink) return;
    ProgressUpdate update;
    update.stage = stage;
    update.unit = unit;
    update.done = done.load();
    update.total = total;
    update.seconds = static_cast<double>(elapsed()) * 1e-9;
    update.finished = finished;
    sink->progress(update);
  }
};

Progress::Progress(std::string stage, int64_t total, std::string unit) {
  check_cancelled();
  state_ = std::make_unique<State>();
  state_->stage = std::move(stage);
  state_->unit = std::move(unit);
  state_->total = total;
  state_->send(false);
}

Progress::~Progress() {
  try {
    state_->send(true);
  } catch (...) {
    // Destructors run while exceptions propagate; a sink that fails to draw a line must not replace them.
  }
}

void Progress::advance(int64_t units) {
  state_->done.fetch_add(units);
  check_cancelled();
  const int64_t now = state_->elapsed();
  int64_t last = state_->last_sent.load();
  // One thread wins the exchange and sends; the others continue to work.
  if (now - last >= kNanosecondsBetweenUpdates && state_->last_sent.compare_exchange_strong(last, now)) {
    state_->send(false);
  }
}

}  // namespace vitrim
