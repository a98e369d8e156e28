#pragma once
// Normalisation of 8-bit pixels.

#include <array>
#include <cstdint>

#include "vitrim/core/model_spec.h"

namespace vitrim::data {

/// (x / 255 - mean) / std of every byte of one channel: a byte has only 256 values, so the arithmetic is done
/// once, in torchvision's order.
inline std::array<float, 256> normalization_table(const PreprocessSpec& spec, size_t channel) {
  const auto mean = static_cast<float>(spec.mean[channel]), std = static_cast<float>(spec.std[channel]);
  std::array<float, 256> table{};
  for (size_t x = 0; x < 256; ++x) table[x] = (static_cast<float>(x) / 255.0f - mean) / std;
  return table;
}

}  // namespace vitrim::data
