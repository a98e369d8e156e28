#pragma once
// How a quantised checkpoint describes itself to other tools.

#include <string>

#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

/// The key under which a checkpoint's metadata holds quantization_config().
inline constexpr const char* kQuantizationConfigKey = "quantization_config";

/// The int8 layers in the words of the compressed-tensors convention (`quantization_config` of a
/// config.json): format int-quantized, weights with a scale per output channel, inputs with one per token
/// found as it comes, every layer named as a target. JSON, one line. `spec` has int8 layers.
std::string quantization_config(const ModelSpec& spec);

}  // namespace vitrim::architecture
