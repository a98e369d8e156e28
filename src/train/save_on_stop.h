#pragma once
// Saves a run when a stop is asked for, beside the step that is under way.

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

namespace vitrim::train {

/// From its construction on the run's thread has the state to itself, but within may_save(). When a stop is
/// requested (core/log.h), `save` is called once on a thread of its own, as soon as it may be.
class SaveOnStop {
 public:
  explicit SaveOnStop(std::function<void()> save);
  ~SaveOnStop();
  SaveOnStop(const SaveOnStop&) = delete;
  SaveOnStop& operator=(const SaveOnStop&) = delete;

  /// Runs `work`, which leaves the state alone. Waits, when it has ended, for a save that has begun.
  void may_save(const std::function<void()>& work);
  /// From now on nothing is saved.
  void finish();

 private:
  void watch(const std::function<void()>& save);

  std::mutex state_;
  std::unique_lock<std::mutex> held_;  // the run's thread's
  std::atomic<bool> finished_{false};
  std::thread thread_;
};

}  // namespace vitrim::train
