#pragma once
// The input ranges of int8 layers on calibration images, for ONNX graphs with one fixed scale per tensor.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "vitrim/data/loader.h"
#include "vitrim/model/model.h"

namespace vitrim::exporter {

/// The smallest and the largest value of a layer's input; the range always includes zero.
struct InputRange {
  float low = 0, high = 0;
};
/// Keyed by the layer's name, such as "blocks.0.attn.qkv".
using InputRanges = std::map<std::string, InputRange>;

/// The int8 layers of a model, in the order in which they are computed.
std::vector<std::string> int8_layers(const ModelSpec& spec);

/// Measures the input ranges of the int8 layers of `model` on `images`, in batches of `batch_size`. For a
/// layer after merged tokens, the range covers the tokens before they are merged. Throws
/// std::invalid_argument if no layer is int8 or there is no image, Error if a value is not finite. Cost: one
/// pass over the images.
InputRanges input_ranges(const model::Model& model, const data::ImageBatch& images, int64_t batch_size);

}  // namespace vitrim::exporter
