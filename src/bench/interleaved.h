#pragma once
// Shared code of all timing: interleaved rounds, and percentiles.

#include <functional>
#include <vector>

#include "vitrim/core/log.h"

namespace vitrim::bench {

/// The percentile q in 0..1, linear between neighbours.
double percentile(std::vector<double> values, double q);

/// Repeats the call until `seconds` have passed, at least twice.
void warm_up(const std::function<void()>& call, double seconds);

enum class Clock {
  kWall,
  kThread,  ///< processor time of the calling thread, which other work on the machine does not lengthen; it
            ///< does not include other threads that work for the call
};

/// Seconds [call][round]. In each round every call is made once; the order alternates between forward and
/// backward, so that each call follows different ones. `progress` (may be null) advances by one per call.
std::vector<std::vector<double>> time_interleaved(const std::vector<std::function<void()>>& calls, int rounds,
                                                  Progress* progress, Clock clock = Clock::kWall);

}  // namespace vitrim::bench
