#include "job.h"

#include <ATen/Parallel.h>

#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "vitrim/core/log.h"

namespace vitrim::python {

namespace py = pybind11;

namespace {

constexpr std::chrono::milliseconds kPatience{50};  // between two looks for Ctrl-C

struct Message {
  LogLevel level;
  std::string text;
};
using Event = std::variant<Message, ProgressUpdate>;

// What the work says, until the calling thread fetches it.
class Mailbox : public LogSink {
 public:
  void message(LogLevel level, const std::string& text) override { put(Message{level, text}); }
  void progress(const ProgressUpdate& update) override { put(update); }

  void finish() {
    const std::lock_guard lock(mutex_);
    finished_ = true;
    changed_.notify_one();
  }

  // Waits a moment for news; false where the work is done and everything was fetched.
  bool fetch(std::vector<Event>& events) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPatience, [this] { return finished_ || !events_.empty(); });
    events.swap(events_);
    return !(finished_ && events.empty());
  }

 private:
  void put(Event event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    changed_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Event> events_;
  bool finished_ = false;
};

void deliver(const py::object& notify, const Event& event) {
  if (const auto* message = std::get_if<Message>(&event)) {
    notify(message->level == LogLevel::kWarning ? "warning" : "info", message->text);
    return;
  }
  const auto& update = std::get<ProgressUpdate>(event);
  notify("progress", py::dict(py::arg("stage") = update.stage, py::arg("unit") = update.unit,
                              py::arg("done") = update.done, py::arg("total") = update.total,
                              py::arg("seconds") = update.seconds, py::arg("finished") = update.finished));
}

void compute(int threads, const std::function<void()>& work) {
  const int before = at::get_num_threads();
  if (threads > 0) at::set_num_threads(threads);
  try {
    work();
  } catch (...) {
    if (threads > 0) at::set_num_threads(before);
    throw;
  }
  if (threads > 0) at::set_num_threads(before);
}

// The log sink and the wish to stop belong to the whole process.
std::timed_mutex one_job;

}  // namespace

void run_job(const py::object& notify, int threads, const std::function<void()>& work) {
  std::unique_lock turn(one_job, std::defer_lock);
  for (bool mine = false; !mine;) {
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    const py::gil_scoped_release unlocked;
    mine = turn.try_lock_for(kPatience);
  }
  clear_cancel();
  const auto mailbox = std::make_shared<Mailbox>();
  set_log_sink(mailbox);
  std::exception_ptr failure;
  std::thread worker([&] {
    try {
      compute(threads, work);
    } catch (...) {
      failure = std::current_exception();
    }
    mailbox->finish();
  });
  std::optional<py::error_already_set> stopped;
  for (bool more = true; more;) {
    std::vector<Event> events;
    {
      const py::gil_scoped_release unlocked;
      more = mailbox->fetch(events);
    }
    if (stopped) continue;
    try {
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
      if (notify.is_none()) continue;
      for (const Event& event : events) deliver(notify, event);
    } catch (py::error_already_set& error) {
      stopped.emplace(error);
      request_cancel();
    }
  }
  {
    const py::gil_scoped_release unlocked;
    worker.join();
  }
  set_log_sink(nullptr);
  clear_cancel();
  if (stopped) throw py::error_already_set(*stopped);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace vitrim::python
