#pragma once
// The factors on the input of an int8 layer (docs/quantization.md).

namespace vitrim::architecture {

/// `layer` + kInputGain: float32 [columns], beside the int8 weight `layer`.weight where the file holds it;
/// the layer reads gain * x. Files without it say that the layer reads x.
inline constexpr const char* kInputGain = ".input_gain";

}  // namespace vitrim::architecture
