#pragma once
// The factors on the input of an int8 layer (docs/quantization.md).

namespace vitrim::architecture {

/// `layer` + kInputGain names a float32 tensor [columns] that may accompany the int8 weight `layer`.weight.
/// The layer then reads gain * x. In files without this tensor the layer reads x.
inline constexpr const char* kInputGain = ".input_gain";

}  // namespace vitrim::architecture
