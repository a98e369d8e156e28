#pragma once
// What the families are made of around their blocks: how a stage begins, and what parameters are called.

#include <string>
#include <vector>

#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

/// How a stage begins: a convolution of the images or of the map before, and norms around it. Names are empty
/// where there is no such part. A ViT's one stage has tokens before its map, and `pos_embed` covers them too
/// where ModelSpec::embed_prefix_tokens says so; its norm after both is ModelSpec::pre_norm's.
struct StepLayout {
  std::string norm_before;  ///< of the stream that the stage before leaves (PVTv2)
  std::string norm_patch;   ///< of all the values that one product takes in (Swin's patch merging)
  std::string projection;
  std::string norm_after;
  std::string positions;  ///< added after the norm, [1, tokens, C]
  int64_t kernel = 0, stride = 0, padding = 0;
  bool bias = true;
  bool linear = false;  ///< stored as a linear layer over [across, down, channels] instead of a convolution
};
/// Throws std::invalid_argument on an unknown family, as all functions here.
StepLayout step_layout(const ModelSpec& spec, int stage);
/// Channels that it reads.
int64_t step_channels(const ModelSpec& spec, int stage);

/// vit, swin, ...; a new family begins here.
std::vector<std::string> families();
/// Throws std::invalid_argument, with the nearest name, where `spec` is of none of families().
void check_family(const ModelSpec& spec);

/// What the names of a block's parameters begin with: "blocks.0.", "layers.1.blocks.0.", "block2.0.", ...
std::string block_prefix(const ModelSpec& spec, int block);
/// "blocks.0.attn."; qkv and proj follow.
std::string attention_prefix(const ModelSpec& spec, int block);
/// The attention's last projection, without ".weight".
std::string projection_name(const ModelSpec& spec, int block);
/// Whether there are `q` and `kv` instead of `qkv`.
bool separate_queries(const ModelSpec& spec);
/// Whether MLPs hold a depthwise convolution of side kMlpFilter, so that tokens meet there too (PVTv2).
bool has_mlp_convolution(const ModelSpec& spec);
inline constexpr int64_t kMlpFilter = 3;
/// The norm after the last block; empty where features are not normed. PVT's is in the checkpoints, but
/// nothing reads it.
std::string final_norm_name(const ModelSpec& spec);
/// The linear classifier.
std::string head_name(const ModelSpec& spec);

/// The parameters that write to a stage's stream before its first block: what takes a factor on the stream
/// (NOSE, arXiv 2404.05657).
std::vector<std::string> stream_writers(const ModelSpec& spec, int stage);

/// What the sides of an image must be multiples of: the patch size, and of a model with stages what lets all
/// maps be halved and cut into windows.
int64_t size_unit(const ModelSpec& spec);

}  // namespace vitrim::architecture
