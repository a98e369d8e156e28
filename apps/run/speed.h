#pragma once
// The speed of an engine.

#include <cstdint>

#include "vitrim/runtime/engine.h"

namespace vitrim::app {

struct Speed {
  int64_t batch = 0, runs = 0;
  double latency = 0, latency_p10 = 0,
         latency_p90 = 0;  ///< seconds per batch: median, 10th and 90th percentile
  double images_per_second() const { return static_cast<double>(batch) / latency; }
};

/// Runs batches of noise for about `seconds` after a warm-up, at least five batches.
Speed measure(runtime::Engine& engine, int64_t batch, double seconds);

}  // namespace vitrim::app
