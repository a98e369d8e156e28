#pragma once
// What the engine must know of families with stages: how their parameters are called, how a stage begins, and
// how many multiply-adds a model takes. The reference for all of it is src/model/{swin,pvt,cswin}.cpp.

#include <string>

#include "vitrim/core/model_spec.h"

namespace vitrim::runtime {

/// How a stage begins: a convolution of the images or of the map before, and norms around it. Names are empty
/// where there is no such part.
struct StepLayout {
  std::string norm_before;  ///< of the stream that the stage before leaves (PVTv2)
  std::string norm_patch;   ///< of all the values that one product takes in (Swin's patch merging)
  std::string projection;
  std::string norm_after;
  std::string positions;  ///< added behind the norm, [1, tokens, C]
  int64_t kernel = 0, stride = 0, padding = 0;
  bool bias = true;
  bool linear = false;  ///< stored as a linear layer over [across, down, channels] instead of a convolution
};
StepLayout step_layout(const ModelSpec& spec, int stage);
int64_t step_channels(const ModelSpec& spec, int stage);

/// "layers.0.blocks.0."
std::string block_names(const ModelSpec& spec, int block);
/// "layers.0.blocks.0.attn."
std::string attention_names(const ModelSpec& spec, int block);
/// Whether there are `q` and `kv` instead of `qkv`.
bool separate_queries(const ModelSpec& spec);
/// Whether the MLP has a depthwise convolution between its layers (PVTv2).
bool convolves_hidden(const ModelSpec& spec);
/// Empty where the features are not normed.
std::string final_norm_name(const ModelSpec& spec);
std::string head_name(const ModelSpec& spec);

/// Empty where the engine can run a family with stages, else why not.
std::string why_no_stages(const ModelSpec& spec);
/// Multiply-adds of one image; nothing is left out.
int64_t stage_macs(const ModelSpec& spec);

}  // namespace vitrim::runtime
