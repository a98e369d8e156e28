#include "runtime/team.h"

namespace vitrim::runtime {

Pool::Pool(int threads) : size_(threads) {
  threads_.reserve(static_cast<size_t>(threads - 1));
  try {
    for (int rank = 1; rank < threads; ++rank) threads_.emplace_back([this, rank] { work(rank); });
  } catch (...) {  // the system gives no more of them: those that run must end before the failure can be told
    end();
    throw;
  }
}

Pool::~Pool() { end(); }

void Pool::end() {
  stop_ = true;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Pool::run(const std::function<void(int)>& task) {
  if (size_ == 1) return task(0);
  task_ = &task;
  busy_.store(size_ - 1, std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  task(0);
  for (int left = busy_.load(std::memory_order_acquire); left > 0;
       left = busy_.load(std::memory_order_acquire))
    busy_.wait(left, std::memory_order_acquire);
}

void Pool::work(int rank) {
  uint32_t seen = 0;
  for (;;) {
    round_.wait(seen, std::memory_order_acquire);
    seen = round_.load(std::memory_order_acquire);
    if (stop_) return;
    (*task_)(rank);
    busy_.fetch_sub(1, std::memory_order_acq_rel);
    busy_.notify_one();
  }
}

}  // namespace vitrim::runtime
