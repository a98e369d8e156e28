#pragma once
// What everything that is timed has in common: turns, and percentiles.

#include <functional>
#include <vector>

#include "vitrim/core/log.h"

namespace vitrim::bench {

/// Linear between neighbours; q in 0..1.
double percentile(std::vector<double> values, double q);

/// Calls until `seconds` have passed, twice at the least.
void warm_up(const std::function<void()>& call, double seconds);

enum class Clock {
  kWall,
  kThread,  ///< processor time of the calling thread: what else runs on the machine does not lengthen it.
            ///< Says nothing of calls that other threads work for
};

/// Seconds [call][round]: in each round every call is made once, to and fro, so that who comes after whom
/// changes. `progress` (may be null) advances by one a call.
std::vector<std::vector<double>> time_interleaved(const std::vector<std::function<void()>>& calls, int rounds,
                                                  Progress* progress, Clock clock = Clock::kWall);

}  // namespace vitrim::bench
