#pragma once
// Which of the other ranks are still alive.

#include <c10/util/intrusive_ptr.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace vitrim::distributed {

/// A rank that ends closes its connections, but one that is stopped, or whose machine is gone, only stays
/// silent, and so does one that is busy. So every rank counts in the store, from a thread of its own, and
/// looks whether the others do: work may take as long as it likes.
class Watch {
 public:
  /// `patience`: how long a rank may be silent.
  Watch(c10::intrusive_ptr<c10d::Store> store, int rank, int size, std::chrono::milliseconds patience);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  /// A rank that has been silent for too long; rank 0, which keeps the store, where the store does not
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
