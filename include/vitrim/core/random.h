#pragma once
// Random numbers that are the same on every machine and compiler (the standard's distributions are not).

#include <cstdint>
#include <vector>

namespace vitrim {

/// SplitMix64: small, fast, good enough for drawing images and bootstrap samples. `Random(seed, stream)`
/// gives independent streams.
class Random {
 public:
  explicit Random(uint64_t seed, uint64_t stream = 0);
  uint64_t next();
  /// Uniform in [0, 1).
  double uniform();
  /// Uniform in [0, n), n > 0.
  int64_t below(int64_t n);
  /// Standard normal (Box-Muller).
  double normal();
  /// What is to come depends on this number alone; set_state() goes on where state() was read.
  uint64_t state() const { return state_; }
  void set_state(uint64_t state) { state_ = state; }

 private:
  uint64_t state_;
};

/// A permutation of 0..n-1 (Fisher-Yates).
std::vector<int64_t> permutation(int64_t n, Random& random);

}  // namespace vitrim
