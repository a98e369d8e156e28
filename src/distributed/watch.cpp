#include "distributed/watch.h"

#include <algorithm>
#include <string>
#include <vector>

namespace vitrim::distributed {
namespace {

using Clock = std::chrono::steady_clock;

std::string key_of(int rank) { return "alive/" + std::to_string(rank); }

}  // namespace

Watch::Watch(c10::intrusive_ptr<c10d::Store> store, int rank, int size, std::chrono::milliseconds patience)
    : store_(std::move(store)), rank_(rank), size_(size), patience_(patience), thread_([this] { run(); }) {}

Watch::~Watch() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

std::optional<int> Watch::lost_rank() const {
  const int lost = lost_.load();
  if (lost < 0) return std::nullopt;
  return lost;
}

void Watch::run() {
  const auto pause = std::min<std::chrono::milliseconds>(std::chrono::seconds(5), patience_ / 5);
  std::vector<int64_t> counts(static_cast<size_t>(size_), -1);
  std::vector<Clock::time_point> changed(counts.size(), Clock::now());
  std::unique_lock lock(mutex_);
  while (!stop_) {
    lock.unlock();
    int lost = -1;
    const auto asked = Clock::now();
    try {
      store_->add(key_of(rank_), 1);
      for (int r = 0; r < size_; ++r) {
        if (r == rank_) continue;
        const auto i = static_cast<size_t>(r);
        const int64_t count = store_->add(key_of(r), 0);
        if (count != counts[i]) changed[i] = Clock::now();
        counts[i] = count;
        // If this process itself was stopped in the meantime, all others seem silent, so only checks that
        // were made in time count.
        if (asked - changed[i] > patience_) lost = r;
      }
    } catch (const std::exception&) {
      lost = 0;
    }
    lost_ = lost;
    lock.lock();
    wake_.wait_for(lock, pause, [&] { return stop_; });
  }
}

}  // namespace vitrim::distributed
