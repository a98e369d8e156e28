#pragma once
// Detects which of the other ranks are still alive.

#include <c10/util/intrusive_ptr.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace vitrim::distributed {

/// A rank that exits closes its connections. But a rank that is stopped, or whose machine is gone, is only
/// silent, and so is a rank that is busy. Therefore every rank increments a counter in the store, from a
/// separate thread, and checks the counters of the others; work may take any time.
class Watch {
 public:
  /// `patience`: seconds that a rank may be silent.
  Watch(c10::intrusive_ptr<c10d::Store> store, int rank, int size, std::chrono::milliseconds patience);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  /// A rank that has been silent for too long. It is rank 0, which runs the store, if the store does not
  /// answer.
  std::optional<int> lost_rank() const;

 private:
  void run();

  c10::intrusive_ptr<c10d::Store> store_;
  int rank_, size_;
  std::chrono::milliseconds patience_;
  std::atomic<int> lost_{-1};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace vitrim::distributed
