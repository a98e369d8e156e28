#include "vitrim/core/random.h"

#include <cmath>
#include <numbers>
#include <stdexcept>
#include <string>
#include <utility>

namespace vitrim {
namespace {

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ULL;

// The output function of SplitMix64 (Steele, Lea, Flood 2014): a bijection in which every input bit moves
// about half the output.
uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace

// Stream 0 is plain SplitMix64, so its published test values apply. Other streams start at a scrambled
// position of the same cycle of 2^64, so neighbouring seeds and streams are far apart.
Random::Random(uint64_t seed, uint64_t stream)
    : state_(stream == 0 ? seed : mix(seed + kGolden) ^ mix(mix(stream) + kGolden)) {}

uint64_t Random::next() {
  state_ += kGolden;
  return mix(state_);
}

double Random::uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

int64_t Random::below(int64_t n) {
  if (n <= 0)
    throw std::invalid_argument("[core::Random::below] n must be positive, got " + std::to_string(n));
  const uint64_t range = static_cast<uint64_t>(n);
  // 2^64 mod range: values below it would make the low remainders more frequent, so they are drawn again.
  const uint64_t reject_below = (0 - range) % range;
  uint64_t value = next();
  while (value < reject_below) value = next();
  return static_cast<int64_t>(value % range);
}

double Random::normal() {
  const double radius = std::sqrt(-2.0 * std::log1p(-uniform()));  // log(1 - u): u may be 0, never 1
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

std::vector<int64_t> permutation(int64_t n, Random& random) {
  if (n < 0)
    throw std::invalid_argument("[core::permutation] n must not be negative, got " + std::to_string(n));
  std::vector<int64_t> order(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) order[i] = i;
  for (int64_t i = n - 1; i > 0; --i) std::swap(order[i], order[random.below(i + 1)]);
  return order;
}

}  // namespace vitrim
