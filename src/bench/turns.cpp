#include "bench/turns.h"

#include <algorithm>
#include <chrono>

namespace vitrim::bench {

namespace {

using Clock = std::chrono::steady_clock;
double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

}  // namespace

double percentile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const size_t low = static_cast<size_t>(at), high = std::min(low + 1, values.size() - 1);
  return values[low] + (values[high] - values[low]) * (at - static_cast<double>(low));
}

void warm_up(const std::function<void()>& call, double seconds) {
  const auto begin = Clock::now();
  for (int calls = 0; calls < 2 || since(begin) < seconds; ++calls) call();
}

std::vector<std::vector<double>> time_in_turns(const std::vector<std::function<void()>>& calls, int rounds, Progress* progress) {
  std::vector<std::vector<double>> seconds(calls.size());
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < calls.size(); ++i) {
      const size_t one = round % 2 == 0 ? i : calls.size() - 1 - i;
      const auto begin = Clock::now();
      calls[one]();
      seconds[one].push_back(since(begin));
      if (progress) progress->advance();
    }
  }
  return seconds;
}

}  // namespace vitrim::bench
