// timm's names are vitrim's own. This file contains the variants of them in timm and in the code of the
// authors of MAE, DINOv2, DeiT III and EVA, and the tensors of timm models with these names that vitrim can't
// compute.

#include <algorithm>

#include "architecture/infer.h"
#include "architecture/names.h"

namespace vitrim::architecture {

namespace {

constexpr NameRule kRules[] = {
    {"register_tokens", "reg_token"},  // DINOv2's authors, as the next lines
    {"mask_token", ""},
    {"masked_embed", ""},  // iBOT's student
    {"blocks.#.mlp.w12.*", "blocks.#.mlp.fc1.*"},
    {"blocks.#.mlp.w3.*", "blocks.#.mlp.fc2.*"},
    {"blocks.#.mlp.fc1_g.*", "blocks.#.mlp.fc1.*", 0, 2},  // timm's SwiGLU in two matrices
    {"blocks.#.mlp.fc1_x.*", "blocks.#.mlp.fc1.*", 1, 2},
    {"blocks.#.attn.q_proj.*", "blocks.#.attn.qkv.*", 0, 3},
    {"blocks.#.attn.k_proj.*", "blocks.#.attn.qkv.*", 1, 3},
    {"blocks.#.attn.v_proj.*", "blocks.#.attn.qkv.*", 2, 3},
    {"blocks.#.attn.q_bias", "blocks.#.attn.qkv.bias", 0, 3},  // EVA: keys have none
    {"blocks.#.attn.k_bias", "blocks.#.attn.qkv.bias", 1, 3},
    {"blocks.#.attn.v_bias", "blocks.#.attn.qkv.bias", 2, 3},
    {"blocks.#.gamma_1", "blocks.#.ls1.gamma"},  // DeiT III's authors
    {"blocks.#.gamma_2", "blocks.#.ls2.gamma"},
    {"decoder_*", ""},  // MAE's pretraining
};

constexpr std::string_view kRotary =
    "rotates queries and keys by their positions (rotary embeddings), which vitrim does not support; use a "
    "model with "
    "absolute positions, such as a plain ViT or DINOv2";
constexpr std::string_view kParallel =
    "has parallel branches in its blocks, which vitrim does not support; use a ViT whose blocks have one "
    "attention "
    "and one MLP";
constexpr std::string_view kSubNorm =
    "has norms inside its attention or MLP (sub-LN), which vitrim does not support; use a model without "
    "them, such as a "
    "plain ViT";
constexpr std::string_view kRelative =
    "adds relative positions to its attention, which vitrim supports for Swin only; use a ViT with absolute "
    "positions";

constexpr Foreign kForeignToTimm[] = {
    {"attn_pool.*",
     "pools its tokens by attention (SigLIP's 'map'), which vitrim does not support; use timm's 'gap' "
     "variant of it"},
    {"blocks.#.attn.norm.*", kSubNorm},
    {"blocks.#.attn.inner_attn_ln.*", kSubNorm},
    {"blocks.#.mlp.norm.*", kSubNorm},
    {"blocks.#.mlp.ffn_ln.*", kSubNorm},
    {"blocks.#.attn.relative_position_bias_table", kRelative},
    {"blocks.#.attn.rel_pos.*", kRelative},
    {"rel_pos_bias.*", kRelative},
    {"shared_rel_pos.*", kRelative},
    {"blocks.#.attn.rel_pos_h", kRelative},
    {"rope.*", kRotary},
    {"rope_embed.*", kRotary},
    {"blocks.#.attn.lambda_*", "uses differential attention, which vitrim does not support; use a plain ViT"},
    {"blocks.#.attns.*", kParallel},
    {"blocks.#.in_proj.weight", kParallel},
    {"blocks.#.attn.logit_scale", "uses cosine attention, which vitrim does not support; use a plain ViT"},
    {"layers.#.blocks.#.attn.logit_scale",
     "is a Swin V2, which uses cosine attention, which vitrim does not support; use a Swin of the first "
     "version"},
    {"patch_embed.backbone.*",
     "begins with a convolutional network (hybrid ViT), which vitrim does not support; use a plain ViT"},
    {"absolute_pos_embed",
     "is a Swin with absolute positions, which vitrim does not support; use one without"},
};

// Properties that only timm's name of the architecture determines, because the tensors of these models look
// like those of others.
struct Silent {
  std::string_view part;  // part of the name
  std::string_view what;
};
constexpr Silent kSilent[] = {
    {"rope", kRotary},
    {"eva02", kRotary},
    {"dinov3", kRotary},
    {"lingbot", kRotary},
    {"sapiens", kRotary},
    {"vit_pe_", kRotary},
    {"_rpn_", "has its norms after the branches, which vitrim does not support; use a plain ViT"},
};

void refuse_silent(const TensorTable& state, const ModelConfig& config) {
  for (const Silent& one : kSilent) {
    if (config.architecture.find(one.part) != std::string::npos) {
      refuse(state, "", "this model (" + config.architecture + ") " + std::string(one.what));
    }
  }
}

bool any_missing_bias(const TensorTable& state, const std::string& norm) {
  return state.contains(norm + ".weight") && !state.contains(norm + ".bias");
}

// Queries and values have biases, keys have none.
TensorTable with_key_bias(const TensorTable& state, const ModelConfig& config) {
  TensorTable out = state;
  for (const auto& [name, tensor] : state.entries()) {
    if (!matches("blocks.#.attn.q_bias", name)) continue;
    if (!config.architecture.starts_with("eva_")) {
      refuse(state, name,
             "this model (EVA or BEiT) has biases for queries and values only, and most models of that kind "
             "rotate queries and keys by their positions, which vitrim does not support; if it is an EVA of "
             "the first version, put timm's config.json, which states this, beside it");
    }
    const std::string key = name.substr(0, name.size() - 6) + "k_bias";
    if (!out.contains(key)) out.add(key, zeros(tensor.shape, tensor.dtype));
  }
  return out;
}

}  // namespace

void translate_timm(const TensorTable& state, const ModelConfig& config, Translated& out) {
  out.names = "timm";
  // Other tensors have other names, which must not change.
  const bool vit = has_any(state, "blocks.#.norm1.weight") || has_any(state, "blocks.#.norm2.weight") ||
                   has_any(state, "blocks.#.in_proj.weight") || has_any(state, "blocks.#.attns.*");
  refuse_foreign(state, kForeignToTimm);
  refuse_silent(state, config);
  if (!vit) {
    out.state = state;
    return;
  }
  if (any_missing_bias(state, "blocks.0.norm1") || any_missing_bias(state, "blocks.0.norm2")) {
    refuse(state, "blocks.0.norm2.weight",
           "this model's norms have no shift (RMSNorm), which vitrim does not support; use a model with "
           "LayerNorm");
  }
  const bool authors = state.contains("register_tokens");
  if (authors) out.names = "DINOv2's authors";
  if (has_any(state, "decoder_*")) out.names = "MAE's authors";
  out.state = rename(with_key_bias(state, config), kRules, out.dropped);
  if (authors) fold_class_position(out.state);
  out.bare_positions = authors;
}

}  // namespace vitrim::architecture
