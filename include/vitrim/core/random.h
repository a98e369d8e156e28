#pragma once
// Random numbers that are the same on every machine and compiler (the standard's distributions are not).

#include <cstdint>
#include <vector>

namespace vitrim {

/// SplitMix64: small, fast, and good enough to draw images and bootstrap samples. `Random(seed, stream)`
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
  /// The state of the generator. All further numbers depend on it alone; set_state() continues from a state
  /// that state() returned.
  uint64_t state() const { return state_; }
  void set_state(uint64_t state) { state_ = state; }

 private:
  uint64_t state_;
};

/// A random permutation of 0..n-1 (Fisher-Yates).
std::vector<int64_t> permutation(int64_t n, Random& random);

}  // namespace vitrim
