#pragma once
// Times architectures on the CPU engine with random weights, because the time of a call does not depend on
// the values of the weights.

#include <cstdint>
#include <memory>
#include <vector>

#include "vitrim/core/model_spec.h"
#include "vitrim/runtime/engine.h"

namespace vitrim::bench {

struct SpecTimerOptions {
  int64_t batch = 1;
  int threads = 1;
  runtime::Precision precision = runtime::Precision::kAuto;
  int rounds = 15;       ///< least number of rounds; up to ten times as many until `seconds` are spent
  double seconds = 1;    ///< seconds that a call of measure() spends, without the warm-up
  double warmup = 0.05;  ///< least seconds per architecture; at least two calls are made
  uint64_t seed = 0;
};

/// Measures seconds per call that are comparable between calls of measure(). A reference model is timed in
/// every call of measure(). The result for an architecture is the ratio of two 10th percentiles (its own to
/// the reference's, which are the calls with least disturbance), times the reference's median from the first
/// call of measure(). A busy machine slows both down alike. With one thread, the clock is the processor time
/// of that thread, which other work does not lengthen.
class SpecTimer {
 public:
  /// Throws std::invalid_argument if the engine can't run `reference`.
  SpecTimer(const ModelSpec& reference, const SpecTimerOptions& options);
  ~SpecTimer();
  /// The median seconds per call of the reference, from the first call of measure(), or measured now if there
  /// was none.
  double reference_seconds();
  /// Seconds per call of every architecture, all timed interleaved. Architectures may differ in image size.
  /// Throws Interrupted after request_cancel().
  std::vector<double> measure(const std::vector<ModelSpec>& specs);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitrim::bench
