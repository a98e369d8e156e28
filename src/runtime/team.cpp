#include "runtime/team.h"

namespace vitrim::runtime {

Pool::Pool(int threads) : size_(threads) { start(); }

void Pool::start() {
  threads_ = std::make_unique<std::vector<std::thread>>();
  threads_->reserve(static_cast<size_t>(size_ - 1));
  try {
    for (int rank = 1; rank < size_; ++rank) threads_->emplace_back([this, rank] { work(rank); });
  } catch (
      ...) {  // the system can't start more threads: the running ones must end before the failure is reported
    end();
    throw;
  }
}

Pool::~Pool() { end(); }

void Pool::end() {
  if (!threads_) return;
  stop_ = true;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& thread : *threads_) thread.join();
  forget_threads();
}

void Pool::forget_threads() {
  // Joined threads are freed. The handles of others can be neither joined nor destroyed.
  if (threads_ && std::none_of(threads_->begin(), threads_->end(),
                               [](const std::thread& thread) { return thread.joinable(); })) {
    threads_.reset();
  } else {
    (void)threads_.release();
  }
  round_ = 0;
  busy_ = 0;
  stop_ = false;
}

void Pool::run(const std::function<void(int)>& task) {
  if (size_ == 1) return task(0);
  if (!threads_) start();
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
