#pragma once
// Normalisation of 8-bit pixels.

#include <array>
#include <cstdint>

#include "vitrim/core/model_spec.h"

namespace vitrim::data {

/// (x / 255 - mean) / std for every byte value of one channel. A byte has only 256 values, so they are
/// computed once, in torchvision's order of operations.
inline std::array<float, 256> normalization_table(const PreprocessSpec& spec, size_t channel) {
  const auto mean = static_cast<float>(spec.mean[channel]), std = static_cast<float>(spec.std[channel]);
  std::array<float, 256> table{};
  for (size_t x = 0; x < 256; ++x) table[x] = (static_cast<float>(x) / 255.0f - mean) / std;
  return table;
}

/// The same for a plane of `count` bytes.
inline void normalize_plane(const uint8_t* plane, int64_t count, const PreprocessSpec& spec, size_t channel,
                            float* out) {
  const std::array<float, 256> table = normalization_table(spec, channel);
  for (int64_t i = 0; i < count; ++i) out[i] = table[plane[i]];
}

}  // namespace vitrim::data
