#include "job.h"

#include <ATen/Parallel.h>
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "text.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"

namespace vitrim::python {

namespace py = pybind11;

namespace {

constexpr std::chrono::milliseconds kPatience{50};  // time between two checks for Ctrl-C

struct Message {
  LogLevel level;
  std::string text;
};
using Event = std::variant<Message, ProgressUpdate>;

// The messages of the work, until the calling thread fetches them.
class Mailbox : public LogSink {
 public:
  void message(LogLevel level, const std::string& text) override { put(Message{level, text}); }
  void progress(const ProgressUpdate& update) override { put(update); }

  void finish() {
    const std::lock_guard lock(mutex_);
    finished_ = true;
    changed_.notify_one();
  }

  // Waits a moment for messages; false if the work is done and everything was fetched.
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
    notify(message->level == LogLevel::kWarning ? "warning" : "info", shown(in_python(message->text)));
    return;
  }
  const auto& update = std::get<ProgressUpdate>(event);
  notify("progress", py::dict(py::arg("stage") = shown(update.stage), py::arg("unit") = shown(update.unit),
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

// The log sink and the request to stop belong to the whole process, so jobs run one at a time.
std::timed_mutex one_job;
std::atomic<std::thread::id> at_work;
// The number of forks between the process that loaded the library and this one.
std::atomic<int> generation{0};

// A forked process has no job: its work stayed in the parent, and so did the thread that held the lock.
[[maybe_unused]] const int registered = pthread_atfork(nullptr, nullptr, [] {
  new (&one_job) std::timed_mutex;
  at_work = std::thread::id();
  ++generation;
});

// The calling thread's turn.
class Turn {
 public:
  Turn() {
    if (at_work.load() == std::this_thread::get_id())
      throw Error(
          "a job was started by the progress function (or a log handler) of another job, which waits for "
          "that "
          "function to return: start it after the other job has ended, or in a separate process");
    for (bool mine = false; !mine;) {
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
      const py::gil_scoped_release unlocked;
      mine = one_job.try_lock_for(kPatience);
    }
    at_work = std::this_thread::get_id();
  }
  ~Turn() {
    if (forked()) return;  // it is the parent's
    at_work = std::thread::id();
    one_job.unlock();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  bool forked() const { return generation != born_; }

 private:
  const int born_ = generation;
};

}  // namespace

void run_job(const py::object& notify, int threads, const std::function<void()>& work) {
  const Turn turn;
  clear_cancel();
  const auto mailbox = std::make_shared<Mailbox>();
  set_log_sink(mailbox);
  std::exception_ptr failure;
  auto worker = std::make_unique<std::thread>([&] {
    try {
      compute(threads, work);
    } catch (...) {
      failure = std::current_exception();
    }
    mailbox->finish();
  });
  // In a process that a callback forked, the work does not exist, so it can't be waited for.
  const auto forked = [&] {
    if (!turn.forked()) return false;
    (void)worker
        .release();  // a thread that does not exist in this process can't be joined, nor its handle destroyed
    set_log_sink(nullptr);
    return true;
  };
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
      for (const Event& event : events) {
        deliver(notify, event);
        if (forked())
          throw Error(
              "this process was forked by the progress function of a job, whose work goes on in the parent "
              "alone: let the forked process end with os._exit");
      }
    } catch (py::error_already_set& error) {
      if (forked()) throw;
      stopped.emplace(error);
      request_cancel();
    }
  }
  {
    const py::gil_scoped_release unlocked;
    worker->join();
  }
  set_log_sink(nullptr);
  clear_cancel();
  if (stopped) throw py::error_already_set(*stopped);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace vitrim::python
