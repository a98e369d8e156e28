#pragma once
// The structure of the families around their blocks: how a stage begins, and the names of parameters.

#include <string>
#include <vector>

#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

/// How a stage begins: a convolution of the image or of the previous stage's map, and norms around it. The
/// name of a missing part is empty. A ViT has one stage with tokens before its map; `pos_embed` covers these
/// tokens too if ModelSpec::embed_prefix_tokens is set. The norm after both is present if ModelSpec::pre_norm
/// is set.
struct StepLayout {
  std::string norm_before;  ///< norm of the previous stage's output (PVTv2)
  std::string norm_patch;   ///< norm of all values that one product reads (Swin's patch merging)
  std::string projection;
  std::string norm_after;
  std::string positions;  ///< added after the norm, [1, tokens, C]
  int64_t kernel = 0, stride = 0, padding = 0;
  bool bias = true;
  bool linear = false;  ///< stored as a linear layer over [across, down, channels] instead of a convolution
};
/// The layout of the beginning of stage `stage`. All functions here throw std::invalid_argument on an unknown
/// family.
StepLayout step_layout(const ModelSpec& spec, int stage);
/// The number of channels that the stage's first step reads.
int64_t step_channels(const ModelSpec& spec, int stage);

/// The names of all families: vit, swin, ... A new family is added here first.
std::vector<std::string> families();
/// Throws std::invalid_argument, with the nearest name, if the family of `spec` is not one of families().
void check_family(const ModelSpec& spec);

/// Prefix of the parameter names of a block: "blocks.0.", "layers.1.blocks.0.", "block2.0.", ...
std::string block_prefix(const ModelSpec& spec, int block);
/// Prefix of the parameter names of a block's attention ("blocks.0.attn."); qkv and proj follow it.
std::string attention_prefix(const ModelSpec& spec, int block);
/// Name of the attention's last projection, without ".weight".
std::string projection_name(const ModelSpec& spec, int block);
/// Whether attention has `q` and `kv` instead of `qkv`.
bool separate_queries(const ModelSpec& spec);
/// Whether MLPs contain a depthwise convolution with side kMlpFilter, which mixes neighbouring tokens
/// (PVTv2).
bool has_mlp_convolution(const ModelSpec& spec);
inline constexpr int64_t kMlpFilter = 3;
/// Name of the norm after the last block; empty if features are not normalised. PVT's checkpoints contain
/// one, but no computation reads it.
std::string final_norm_name(const ModelSpec& spec);
/// Name of the linear classifier.
std::string head_name(const ModelSpec& spec);

/// The parameters that write to a stage's stream before its first block. A factor on the stream is folded
/// into them (NOSE, arXiv 2404.05657).
std::vector<std::string> stream_writers(const ModelSpec& spec, int stage);

/// The number of pixels that both sides of an image must be multiples of: the patch size, times what a model
/// with stages needs to halve all maps and cut them into windows.
int64_t size_unit(const ModelSpec& spec);

}  // namespace vitrim::architecture
