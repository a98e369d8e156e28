#pragma once
// Every random decision of a training run draws from a separate stream, which is determined by its purpose
// and position. So a run needs no generator state to resume, and an image is augmented in the same way on any
// rank or core.

#include <cstdint>

namespace vitrim::train {

enum class Stream : uint64_t { kOrder = 1, kAugment = 2, kMix = 3, kDropPath = 4 };

/// The stream number for vitrim::Random.
inline uint64_t stream(Stream use, uint64_t position) {
  return (static_cast<uint64_t>(use) << 56) + position + 1;
}

}  // namespace vitrim::train
