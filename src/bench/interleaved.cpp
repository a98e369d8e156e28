#include "bench/interleaved.h"

#include <time.h>

#include <algorithm>

namespace vitrim::bench {

namespace {

double now(Clock clock) {
  timespec time{};
  clock_gettime(clock == Clock::kThread ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

double percentile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const size_t low = static_cast<size_t>(at), high = std::min(low + 1, values.size() - 1);
  return values[low] + (values[high] - values[low]) * (at - static_cast<double>(low));
}

void warm_up(const std::function<void()>& call, double seconds) {
  const double begin = now(Clock::kWall);
  for (int calls = 0; calls < 2 || now(Clock::kWall) - begin < seconds; ++calls) call();
}

std::vector<std::vector<double>> time_interleaved(const std::vector<std::function<void()>>& calls, int rounds,
                                                  Progress* progress, Clock clock) {
  std::vector<std::vector<double>> seconds(calls.size());
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < calls.size(); ++i) {
      const size_t one = round % 2 == 0 ? i : calls.size() - 1 - i;
      const double begin = now(clock);
      calls[one]();
      seconds[one].push_back(now(clock) - begin);
      if (progress) progress->advance();
    }
  }
  return seconds;
}

}  // namespace vitrim::bench
