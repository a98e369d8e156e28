#pragma once
// What int8 layers read on calibration images, for graphs with one fixed scale a tensor.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "vitrim/data/loader.h"
#include "vitrim/model/model.h"

namespace vitrim::exporter {

/// The smallest and the largest value that a layer reads, zero included.
struct InputRange {
  float low = 0, high = 0;
};
/// By the layer's name, such as "blocks.0.attn.qkv".
using InputRanges = std::map<std::string, InputRange>;

/// The int8 layers of a model, in the order in which they are computed.
std::vector<std::string> int8_layers(const ModelSpec& spec);

/// The ranges of what the int8 layers of `model` read on `images`, which are run through it in batches of
/// `batch_size`. A layer after merged tokens sees the range of the tokens before they are merged. Throws
/// std::invalid_argument where no layer is int8 or there is no image, Error where a value is not finite.
/// Cost: one pass over the images.
InputRanges input_ranges(const model::Model& model, const data::ImageBatch& images, int64_t batch_size);

}  // namespace vitrim::exporter
