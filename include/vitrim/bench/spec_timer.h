#pragma once
// Timing architectures on the CPU engine, with random weights: how long a call takes does not depend on what
// the weights are.

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
  int rounds = 15;       ///< at least; up to ten times as many while `seconds` are not spent
  double seconds = 1;    ///< of a call of measure(), but for the warm-up
  double warmup = 0.05;  ///< seconds an architecture at least, two calls at the least
  uint64_t seed = 0;
};

/// Seconds of a call, comparable from one call of `measure` to the next: a reference takes part in all of
/// them, and what is told is the ratio of the 10th percentiles (of those calls that little else disturbed)
/// times the reference's median of the first call. A busy machine slows both. On one thread the clock is that
/// thread's processor time, which other work does not lengthen.
class SpecTimer {
 public:
  /// Throws std::invalid_argument where the engine can't run `reference`.
  SpecTimer(const ModelSpec& reference, const SpecTimerOptions& options);
  ~SpecTimer();
  /// The reference's own median, of the first call of measure() or of one made now.
  double reference_seconds();
  /// Seconds of a call of every architecture, all timed interleaved. Architectures may differ in image size.
  /// Throws Interrupted after request_cancel().
  std::vector<double> measure(const std::vector<ModelSpec>& specs);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitrim::bench
