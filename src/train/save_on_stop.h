#pragma once
// Saves a run when a stop is requested, in parallel to the current step.

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

namespace vitrim::train {

/// After construction the run's thread has exclusive access to the state, except within may_save(). When a
/// stop is requested (core/log.h), `save` is called once, on a separate thread, as soon as the state may be
/// read.
class SaveOnStop {
 public:
  explicit SaveOnStop(std::function<void()> save);
  ~SaveOnStop();
  SaveOnStop(const SaveOnStop&) = delete;
  SaveOnStop& operator=(const SaveOnStop&) = delete;

  /// Runs `work`, which must not change the state. Afterwards waits for a save that has begun.
  void may_save(const std::function<void()>& work);
  /// Ends saving.
  void finish();

 private:
  void watch(const std::function<void()>& save);

  std::mutex state_;
  std::unique_lock<std::mutex> held_;  // lock of the run's thread
  std::atomic<bool> finished_{false};
  std::thread thread_;
};

}  // namespace vitrim::train
