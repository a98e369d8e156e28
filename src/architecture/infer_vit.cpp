// Reads a ViT's architecture off the names and shapes of its tensors.

#include <stdexcept>

#include "architecture/infer.h"

namespace vitrim::architecture {

namespace {

int64_t count_blocks(const TensorTable& state) {
  int64_t depth = 0;
  for (const auto& [name, tensor] : state.entries()) {
    if (name.rfind("blocks.", 0) != 0) continue;
    const size_t dot = name.find('.', 7);
    if (dot == std::string::npos || dot == 7 || dot > 11) continue;
    const std::string digits = name.substr(7, dot - 7);
    if (digits.find_first_not_of("0123456789") != std::string::npos) continue;
    depth = std::max<int64_t>(depth, std::stoll(digits) + 1);
  }
  return depth;
}

int64_t infer_heads(const TensorTable& state, const LoadHints& hints, int64_t embed_dim) {
  if (!hints.num_heads.empty()) return hints.num_heads.front();
  if (const auto stated = as_number(metadata_value(state, {"num_heads", "heads"})))
    return static_cast<int64_t>(*stated);
  if (state.contains("blocks.0.attn.q_norm.weight"))
    return embed_dim / std::max<int64_t>(1, state.at("blocks.0.attn.q_norm.weight").numel());
  // Every published ViT and DeiT has heads of 64 channels.
  if (embed_dim % 64 == 0) return embed_dim / 64;
  refuse(state, "blocks.0.attn.qkv.weight",
         "the number of heads can't be told from width " + std::to_string(embed_dim) + "; pass --num-heads");
}

BlockSpec infer_block(const TensorTable& state, const std::string& prefix, int64_t embed_dim, int64_t heads) {
  BlockSpec block;
  block.embed_dim = embed_dim;
  block.mlp_dim = need(state, prefix + ".mlp.fc2.weight", 2).size(1);
  if (!state.contains(prefix + ".attn.qkv.weight")) {
    block.attention = AttentionKind::kNone;
    return block;
  }
  const int64_t rows = need(state, prefix + ".attn.qkv.weight", 2).size(0);
  const int64_t values = need(state, prefix + ".attn.proj.weight", 2).size(1);
  if (heads <= 0 || values % heads != 0 || (rows - values) % (2 * heads) != 0 || rows <= values) {
    refuse(state, prefix + ".attn.qkv.weight",
           "num_heads " + std::to_string(heads) +
               " does not divide the attention's channels; pass another --num-heads");
  }
  block.num_heads = heads;
  block.v_dim = values / heads;
  block.qk_dim = (rows - values) / (2 * heads);
  return block;
}

// Whether the MLPs have a gate: then fc1 makes two units for each that fc2 reads.
bool infer_gates(const TensorTable& state, const ModelSpec& spec) {
  bool gated = false;
  for (size_t i = 0; i < spec.blocks.size(); ++i) {
    const std::string name = "blocks." + std::to_string(i) + ".mlp.fc1.weight";
    const int64_t rows = need(state, name, 2).size(0), read = spec.blocks[i].mlp_dim;
    const bool twice = rows == 2 * read;
    if ((rows != read && !twice) || (i > 0 && twice != gated)) {
      refuse(state, name,
             "makes " + std::to_string(rows) + " hidden units and fc2 reads " + std::to_string(read) +
                 ", which fits neither a plain MLP nor a gated one");
    }
    gated = twice;
  }
  return gated;
}

// How position embedding, prefix tokens and image size hang together.
void infer_tokens(const TensorTable& state, const LoadHints& hints, ModelSpec& spec) {
  const int64_t length = need(state, "pos_embed", 3).size(1);
  int64_t side = side_of(length - spec.prefix_tokens());
  spec.embed_prefix_tokens = true;
  if (side == 0 || (spec.register_tokens > 0 && side_of(length) > 0)) {
    if (side_of(length) == 0)
      refuse(state, "pos_embed",
             "its " + std::to_string(length) + " positions are no square grid of patches");
    side = side_of(length);
    spec.embed_prefix_tokens = false;
  }
  if (spec.prefix_tokens() == 0) spec.embed_prefix_tokens = false;
  const int64_t size = hints.image_size.value_or(side * spec.patch_size);
  if (size <= 0 || size % spec.patch_size != 0) {
    throw std::invalid_argument("[architecture::infer_spec] image size " + std::to_string(size) +
                                " is no multiple of the patch size " + std::to_string(spec.patch_size));
  }
  spec.image_size = {size, size};
}

}  // namespace

std::optional<ModelSpec> infer_vit(const TensorTable& state, const LoadHints& hints) {
  const bool known = state.contains("cls_token") || state.contains("pos_embed") || count_blocks(state) > 0;
  if (!known || state.contains("patch_embed1.proj.weight")) return std::nullopt;
  ModelSpec spec;
  const TensorInfo& patch = need(state, "patch_embed.proj.weight", 4);
  if (patch.size(2) != patch.size(3)) refuse(state, "patch_embed.proj.weight", "patches are not square");
  spec.embed_dim = patch.size(0);
  spec.in_channels = patch.size(1);
  spec.patch_size = patch.size(2);
  spec.class_token = state.contains("cls_token");
  spec.distillation_token = state.contains("dist_token");
  spec.register_tokens = state.contains("reg_token") ? need(state, "reg_token", 3).size(1) : 0;
  infer_tokens(state, hints, spec);
  spec.pooling = spec.class_token ? Pooling::kToken : Pooling::kAverage;
  spec.pre_norm = state.contains("norm_pre.weight");
  spec.final_norm = state.contains("norm.weight");
  spec.fc_norm = state.contains("fc_norm.weight");
  if (spec.fc_norm && !spec.final_norm) spec.pooling = Pooling::kAverage;
  spec.layer_scale = state.contains("blocks.0.ls2.gamma");
  spec.num_classes = state.contains("head.weight") ? need(state, "head.weight", 2).size(0) : 0;
  if (spec.num_classes > 0 && spec.class_token && state.at("head.weight").size(1) == 2 * spec.embed_dim)
    spec.pooling = Pooling::kTokenAndAverage;
  const int64_t depth = count_blocks(state);
  if (depth == 0 || depth > 1000) refuse(state, "blocks", "found " + std::to_string(depth) + " blocks");
  spec.qkv_bias = spec.qk_norm = false;
  bool any_attention = false;
  for (int64_t i = 0; i < depth; ++i) {
    const std::string prefix = "blocks." + std::to_string(i);
    if (!state.contains(prefix + ".attn.qkv.weight")) continue;
    any_attention = true;
    spec.qkv_bias = spec.qkv_bias || state.contains(prefix + ".attn.qkv.bias");
    spec.qk_norm = spec.qk_norm || state.contains(prefix + ".attn.q_norm.weight");
  }
  const int64_t heads = any_attention ? infer_heads(state, hints, spec.embed_dim) : 1;
  for (int64_t i = 0; i < depth; ++i) {
    spec.blocks.push_back(infer_block(state, "blocks." + std::to_string(i), spec.embed_dim, heads));
  }
  spec.gated_mlp = infer_gates(state, spec);
  if (spec.gated_mlp) spec.activation = Activation::kSilu;
  if (const auto eps = as_number(metadata_value(state, {"norm_eps", "eps"}))) spec.norm_eps = *eps;
  spec.preprocess = infer_preprocess(state, spec.image_size[0]);
  return spec;
}

}  // namespace vitrim::architecture
