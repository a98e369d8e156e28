#pragma once
// Every random decision of a training run draws from a stream of its own, named by what it is for and where
// it stands. So a run needs no generator state to be resumed, and one image is varied alike whatever rank or
// core handles it.

#include <cstdint>

namespace vitrim::train {

enum class Stream : uint64_t { kOrder = 1, kAugment = 2, kMix = 3, kDropPath = 4 };

/// Stream number for vitrim::Random.
inline uint64_t stream(Stream use, uint64_t position) {
  return (static_cast<uint64_t>(use) << 56) + position + 1;
}

}  // namespace vitrim::train
