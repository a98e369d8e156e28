#pragma once
// Runs a loop over indices on several threads.

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace vitrim::data {

/// Runs work(i) for i in 0..n-1 on `threads` threads. The first exception stops all threads and is rethrown.
template <typename Work>
void for_each_index(int64_t n, int threads, const Work& work) {
  std::atomic<int64_t> next{0};
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto loop = [&] {
    try {
      for (int64_t i = next++; i < n; i = next++) work(i);
    } catch (...) {
      const std::lock_guard lock(failure_mutex);
      if (!failure) failure = std::current_exception();
      next = n;
    }
  };
  {
    std::vector<std::jthread> others;
    for (int t = 1; t < threads; ++t) others.emplace_back(loop);
    loop();
  }  // joins
  if (failure) std::rethrow_exception(failure);
}

}  // namespace vitrim::data
