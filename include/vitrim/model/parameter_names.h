#pragma once
// Which parameter is whose: families name theirs as their reference does.

#include <string>
#include <vector>

#include "vitrim/core/model_spec.h"

namespace vitrim::model {

/// What the names of a block's parameters begin with: "blocks.0.", "layers.1.blocks.0.", "block2.0.", ...
std::string block_prefix(const ModelSpec& spec, int block);
/// The attention's last projection, without ".weight".
std::string projection_name(const ModelSpec& spec, int block);
/// The parameters that write to a stage's stream before its first block.
std::vector<std::string> stream_writers(const ModelSpec& spec, int stage);
/// Whether MLPs hold a depthwise convolution, so that tokens meet there too.
bool has_mlp_convolution(const ModelSpec& spec);

}  // namespace vitrim::model
