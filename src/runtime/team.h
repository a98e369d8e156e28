#pragma once
// A team of threads that work on one task.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace vitrim::runtime {

/// A barrier for `size` threads; for one thread it costs nothing. Waiting threads spin briefly and then
/// sleep, because on a busy machine a spinning thread blocks a core that others need.
class Barrier {
 public:
  explicit Barrier(int size) : size_(size) {}
  /// Resets the barrier; for use when the threads that waited here no longer exist.
  void reset() {
    arrived_ = 0;
    round_ = 0;
  }
  void wait() {
    if (size_ == 1) return;
    const uint32_t round = round_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.fetch_add(1, std::memory_order_release);
      round_.notify_all();
      return;
    }
    for (int i = 0; i < 4000; ++i) {
      if (round_.load(std::memory_order_acquire) != round) return;
    }
    round_.wait(round, std::memory_order_acquire);
  }

 private:
  const int size_;
  std::atomic<int> arrived_{0};
  std::atomic<uint32_t> round_{0};
};

/// The position of a thread in its team: its index, and the team's size.
struct ThreadContext {
  int rank = 0, size = 1;
  Barrier* barrier = nullptr;
  void wait() const {
    if (size > 1) barrier->wait();
  }
  bool first() const { return rank == 0; }
};

/// A range of rows.
struct Rows {
  int64_t begin = 0, end = 0;
  int64_t count() const { return end - begin; }
};

/// The context's part of `rows`: parts are in order and of sizes as equal as possible.
inline Rows share(int64_t rows, ThreadContext context) {
  const int64_t each = (rows + context.size - 1) / context.size;
  const int64_t begin = std::min(rows, each * context.rank);
  return {begin, std::min(rows, begin + each)};
}

/// Calls work(part) for consecutive parts of the context's rows, each of at most `most` rows.
template <typename Work>
void for_tiles(int64_t rows, int64_t most, ThreadContext context, Work&& work) {
  if (rows <= 0) return;
  const int64_t tiles = ((rows + most - 1) / most + context.size - 1) / context.size * context.size;
  const int64_t each = (rows + tiles - 1) / tiles;
  for (int64_t i = context.rank; i < tiles; i += context.size) {
    const Rows part{std::min(rows, i * each), std::min(rows, (i + 1) * each)};
    if (part.count() > 0) work(part);
  }
}

/// A pool of permanent threads. The caller's thread has index 0. The constructor, and the first run() in a
/// forked process, throw std::system_error if the system can't start more threads.
class Pool {
 public:
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  int size() const { return size_; }
  /// Calls task(rank) on every thread and waits for all of them. Two threads must not call it at once. Does
  /// not allocate.
  void run(const std::function<void(int)>& task);
  /// Called in a forked process, where only the caller's thread exists: run() then starts new threads. Does
  /// not allocate.
  void forget_threads();

 private:
  void start();
  void work(int rank);
  void end();
  const int size_;
  std::atomic<uint32_t> round_{0};
  std::atomic<int> busy_{0};
  std::atomic<bool> stop_{false};
  const std::function<void(int)>* task_ = nullptr;
  std::unique_ptr<std::vector<std::thread>> threads_;  // null: not started yet
};

}  // namespace vitrim::runtime
