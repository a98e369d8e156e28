#pragma once
// How a quantised checkpoint describes itself to other tools.

#include <string>

#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

/// The key under which a checkpoint's metadata holds quantization_config().
inline constexpr const char* kQuantizationConfigKey = "quantization_config";

/// Describes the int8 layers of `spec` in the compressed-tensors convention (`quantization_config` of a
/// config.json), as one line of JSON: format int-quantized, weights with one scale per output channel, inputs
/// quantised dynamically with one scale per token, every layer listed as a target. `spec` must have int8
/// layers.
std::string quantization_config(const ModelSpec& spec);

}  // namespace vitrim::architecture
