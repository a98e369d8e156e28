// The names of Hugging Face's transformers. Files contain older names than the models of transformers 5 in
// memory (save_pretrained converts them back); the tables have both.

#include <array>

#include "architecture/infer.h"
#include "architecture/names.h"

namespace vitrim::architecture {

namespace {

constexpr std::array<std::string_view, 6> kInner = {
    "vit", "deit", "swin", "dinov2", "dinov2_with_registers", "vision_model"};

constexpr NameRule kVit[] = {
    {"embeddings.cls_token", "cls_token"},
    {"embeddings.distillation_token", "dist_token"},
    {"embeddings.position_embeddings", "pos_embed"},
    {"embeddings.patch_embeddings.projection.*", "patch_embed.proj.*"},
    {"embeddings.mask_token", ""},
    {"encoder.layer.#.attention.attention.query.*", "blocks.#.attn.qkv.*", 0, 3},
    {"encoder.layer.#.attention.attention.key.*", "blocks.#.attn.qkv.*", 1, 3},
    {"encoder.layer.#.attention.attention.value.*", "blocks.#.attn.qkv.*", 2, 3},
    {"encoder.layer.#.attention.output.dense.*", "blocks.#.attn.proj.*"},
    {"encoder.layer.#.intermediate.dense.*", "blocks.#.mlp.fc1.*"},
    {"encoder.layer.#.output.dense.*", "blocks.#.mlp.fc2.*"},
    {"encoder.layer.#.layernorm_before.*", "blocks.#.norm1.*"},
    {"encoder.layer.#.layernorm_after.*", "blocks.#.norm2.*"},
    {"layers.#.attention.q_proj.*", "blocks.#.attn.qkv.*", 0, 3},
    {"layers.#.attention.k_proj.*", "blocks.#.attn.qkv.*", 1, 3},
    {"layers.#.attention.v_proj.*", "blocks.#.attn.qkv.*", 2, 3},
    {"layers.#.attention.o_proj.*", "blocks.#.attn.proj.*"},
    {"layers.#.mlp.*", "blocks.#.mlp.*"},
    {"layers.#.layernorm_before.*", "blocks.#.norm1.*"},
    {"layers.#.layernorm_after.*", "blocks.#.norm2.*"},
    {"layernorm.*", "norm.*"},
    {"classifier.*", "head.*"},
    {"cls_classifier.*", "head.*"},
    {"distillation_classifier.*", "head_dist.*"},
    {"pooler.*", ""},   // a tanh layer after the class token, for pretraining
    {"decoder.*", ""},  // used in masked pretraining
};

constexpr NameRule kDinov2[] = {
    {"embeddings.cls_token", "cls_token"},
    {"embeddings.register_tokens", "reg_token"},
    {"embeddings.position_embeddings", "pos_embed"},
    {"embeddings.patch_embeddings.projection.*", "patch_embed.proj.*"},
    {"embeddings.mask_token", ""},
    {"encoder.layer.#.attention.attention.query.*", "blocks.#.attn.qkv.*", 0, 3},
    {"encoder.layer.#.attention.attention.key.*", "blocks.#.attn.qkv.*", 1, 3},
    {"encoder.layer.#.attention.attention.value.*", "blocks.#.attn.qkv.*", 2, 3},
    {"encoder.layer.#.attention.output.dense.*", "blocks.#.attn.proj.*"},
    {"encoder.layer.#.attention.q_proj.*", "blocks.#.attn.qkv.*", 0, 3},
    {"encoder.layer.#.attention.k_proj.*", "blocks.#.attn.qkv.*", 1, 3},
    {"encoder.layer.#.attention.v_proj.*", "blocks.#.attn.qkv.*", 2, 3},
    {"encoder.layer.#.attention.o_proj.*", "blocks.#.attn.proj.*"},
    {"encoder.layer.#.layer_scale1.lambda1", "blocks.#.ls1.gamma"},
    {"encoder.layer.#.layer_scale2.lambda1", "blocks.#.ls2.gamma"},
    {"encoder.layer.#.mlp.weights_in.*", "blocks.#.mlp.fc1.*"},
    {"encoder.layer.#.mlp.weights_out.*", "blocks.#.mlp.fc2.*"},
    {"encoder.layer.#.mlp.gate_proj.*", "blocks.#.mlp.fc1.*", 0, 2},
    {"encoder.layer.#.mlp.up_proj.*", "blocks.#.mlp.fc1.*", 1, 2},
    {"encoder.layer.#.mlp.down_proj.*", "blocks.#.mlp.fc2.*"},
    {"encoder.layer.#.mlp.*", "blocks.#.mlp.*"},
    {"encoder.layer.#.norm1.*", "blocks.#.norm1.*"},
    {"encoder.layer.#.norm2.*", "blocks.#.norm2.*"},
    {"layernorm.*", "norm.*"},
    {"classifier.*", "head.*"},
};

// CLIP's vision tower, and SigLIP's.
constexpr NameRule kClip[] = {
    {"embeddings.class_embedding", "cls_token"},
    {"embeddings.patch_embedding.*", "patch_embed.proj.*"},
    {"embeddings.position_embedding.weight", "pos_embed"},
    {"embeddings.position_ids", ""},
    {"pre_layrnorm.*", "norm_pre.*"},
    {"encoder.layers.#.self_attn.q_proj.*", "blocks.#.attn.qkv.*", 0, 3},
    {"encoder.layers.#.self_attn.k_proj.*", "blocks.#.attn.qkv.*", 1, 3},
    {"encoder.layers.#.self_attn.v_proj.*", "blocks.#.attn.qkv.*", 2, 3},
    {"encoder.layers.#.self_attn.out_proj.*", "blocks.#.attn.proj.*"},
    {"encoder.layers.#.layer_norm1.*", "blocks.#.norm1.*"},
    {"encoder.layers.#.layer_norm2.*", "blocks.#.norm2.*"},
    {"encoder.layers.#.mlp.*", "blocks.#.mlp.*"},
    {"post_layernorm.*", "norm.*"},
    {"classifier.*", "head.*"},
    {"visual_projection.weight", "head.weight"},
    {"text_model.*", ""},
    {"text_projection.*", ""},
    {"logit_scale", ""},
    {"logit_bias", ""},
};

constexpr NameRule kSwin[] = {
    {"embeddings.patch_embeddings.projection.*", "patch_embed.proj.*"},
    {"embeddings.norm.*", "patch_embed.norm.*"},
    {"embeddings.mask_token", ""},
    {"encoder.layers.#.blocks.#.attention.self.query.*", "layers.#.blocks.#.attn.qkv.*", 0, 3},
    {"encoder.layers.#.blocks.#.attention.self.key.*", "layers.#.blocks.#.attn.qkv.*", 1, 3},
    {"encoder.layers.#.blocks.#.attention.self.value.*", "layers.#.blocks.#.attn.qkv.*", 2, 3},
    {"encoder.layers.#.blocks.#.attention.self.relative_position_bias_table",
     "layers.#.blocks.#.attn.relative_position_bias_table"},
    {"encoder.layers.#.blocks.#.attention.self.relative_position_index", ""},
    {"encoder.layers.#.blocks.#.attention.q_proj.*", "layers.#.blocks.#.attn.qkv.*", 0, 3},
    {"encoder.layers.#.blocks.#.attention.k_proj.*", "layers.#.blocks.#.attn.qkv.*", 1, 3},
    {"encoder.layers.#.blocks.#.attention.v_proj.*", "layers.#.blocks.#.attn.qkv.*", 2, 3},
    {"encoder.layers.#.blocks.#.attention.o_proj.*", "layers.#.blocks.#.attn.proj.*"},
    {"encoder.layers.#.blocks.#.attention.relative_position_bias.relative_position_bias_table",
     "layers.#.blocks.#.attn.relative_position_bias_table"},
    {"encoder.layers.#.blocks.#.attention.relative_position_bias.*", ""},
    {"encoder.layers.#.blocks.#.attention.output.dense.*", "layers.#.blocks.#.attn.proj.*"},
    {"encoder.layers.#.blocks.#.intermediate.dense.*", "layers.#.blocks.#.mlp.fc1.*"},
    {"encoder.layers.#.blocks.#.output.dense.*", "layers.#.blocks.#.mlp.fc2.*"},
    {"encoder.layers.#.blocks.#.mlp.*", "layers.#.blocks.#.mlp.*"},
    {"encoder.layers.#.blocks.#.layernorm_before.*", "layers.#.blocks.#.norm1.*"},
    {"encoder.layers.#.blocks.#.layernorm_after.*", "layers.#.blocks.#.norm2.*"},
    {"encoder.layers.#.downsample.*", "layers.#.downsample.*"},
    {"layernorm.*", "norm.*"},
    {"classifier.*", "head.fc.*"},
    {"decoder.*", ""},
};

constexpr std::string_view kNoRotation =
    "rotates queries and keys by their positions (rotary embeddings), which vitrim does not support; use a "
    "model with "
    "absolute positions, such as DINOv2";

constexpr Foreign kForeignToTransformers[] = {
    {"rope_embeddings.*", kNoRotation},
    {"embeddings.patch_embeddings.weight",
     "is a DINOv3 or another model that rotates queries and keys by their positions (rotary embeddings), "
     "which vitrim does not support; use DINOv2"},
    {"encoder.layer.#.lambda_1",
     "is a BEiT or Data2Vec, whose attention adds relative positions, which vitrim does not support; use a "
     "ViT or "
     "DeiT"},
    {"encoder.layer.#.attention.attention.relative_position_bias.*",
     "adds relative positions to its attention, which vitrim supports for Swin only; use a ViT or DeiT"},
    {"encoder.layers.#.blocks.#.attention.self.logit_scale",
     "is a Swin V2, which uses cosine attention, which vitrim does not support; use a Swin of the first "
     "version"},
    {"encoder.layers.#.blocks.#.attention.logit_scale",
     "is a Swin V2, which uses cosine attention, which vitrim does not support; use a Swin of the first "
     "version"},
    {"embeddings.patch_embeddings.backbone.*",
     "begins with a convolutional network (hybrid ViT), which vitrim does not support; use a plain ViT"},
};

// The contained model, with the prefix of its names removed.
TensorTable bare(const TensorTable& state) {
  TensorTable out;
  out.path = state.path;
  out.metadata = state.metadata;
  for (const auto& [name, tensor] : state.entries()) {
    std::string_view rest = name;
    for (const std::string_view inner : kInner) {
      if (rest.starts_with(inner) && rest.size() > inner.size() + 1 && rest[inner.size()] == '.') {
        rest.remove_prefix(inner.size() + 1);
        break;
      }
    }
    if (out.contains(rest)) refuse(state, name, "occurs twice, with and without a model's name before it");
    out.add(std::string(rest), tensor);
  }
  return out;
}

// DeiT's second token, if nothing reads it: a token that only attention uses, like a register.
void adapt_vit(Translated& out) {
  TensorTable& state = out.state;
  if (!state.contains("dist_token") || !state.contains("head.weight") || state.contains("head_dist.weight"))
    return;
  const TensorInfo token = state.at("dist_token");
  state.erase("dist_token");
  state.add("reg_token", token);
}

// Registers are inserted after the positions are added, so the class token's position becomes part of the
// token.
void adapt_dinov2(Translated& out) {
  TensorTable& state = out.state;
  out.plain_positions = !state.contains("reg_token");
  if (out.plain_positions) return;
  fold_class_position(state);
  out.bare_positions = true;
}

void adapt_clip(Translated& out) {
  TensorTable& state = out.state;
  if (state.contains("cls_token"))
    state.set("cls_token", reshaped(need(state, "cls_token", 1), {1, 1, state.at("cls_token").size(0)}));
  const TensorInfo positions = need(state, "pos_embed", 2);
  state.set("pos_embed", reshaped(positions, {1, positions.size(0), positions.size(1)}));
  const bool pools_by_attention = has_any(state, "head.probe"), classifies = state.contains("head.bias");
  if (pools_by_attention && !classifies) {
    refuse(state, "head.probe",
           "this model pools its tokens by attention (SigLIP), which vitrim does not support; use one that "
           "classifies the tokens' mean, or timm's 'gap' variant");
  }
  if (pools_by_attention) {  // SiglipForImageClassification does not use it
    std::vector<std::string> unused;
    for (const auto& [name, tensor] : state.entries()) {
      if (name.starts_with("head.") && name != "head.weight" && name != "head.bias") unused.push_back(name);
    }
    for (const std::string& name : unused) state.erase(name);
    out.dropped.insert(out.dropped.end(), unused.begin(), unused.end());
  }
  if (!state.contains("cls_token")) out.activation = Activation::kGeluTanh, out.norm_eps = 1e-6;
  // CLIPForImageClassification averages the tokens directly after the last block.
  if (classifies && state.contains("cls_token")) {
    out.pooling = Pooling::kAverage;
    for (const char* name : {"norm.weight", "norm.bias"}) {
      state.erase(name);
      out.dropped.push_back(std::string("post_layer") + name);
    }
  }
  // The projection into the space shared with text is a classifier without bias.
  if (state.contains("head.weight") && !classifies)
    state.add("head.bias", zeros({need(state, "head.weight", 2).size(0)}));
}

// The step between two stages belongs to the later one.
void adapt_swin(Translated& out) {
  TensorTable moved;
  moved.path = out.state.path;
  moved.metadata = out.state.metadata;
  if (out.state.contains("embeddings.position_embeddings")) {
    refuse(out.state, "embeddings.position_embeddings",
           "this Swin adds absolute positions, which vitrim does not support; use one without "
           "(use_absolute_embeddings)");
  }
  for (const auto& [name, tensor] : out.state.entries()) {
    if (!matches("layers.#.downsample.*", name)) {
      moved.add(name, tensor);
      continue;
    }
    const size_t dot = name.find('.', 7);
    moved.add("layers." + std::to_string(std::stoll(name.substr(7, std::min<size_t>(dot - 7, 6))) + 1) +
                  name.substr(dot),
              tensor);
  }
  out.state = std::move(moved);
}

struct Naming {
  std::string_view title;
  std::array<std::string_view, 2> signs;  // a file with one of these tensors has these names
  std::span<const NameRule> rules;
  double norm_eps;
  Activation activation;
  void (*adapt)(Translated&);
};

const Naming kNamings[] = {
    {"transformers (ViT, DeiT, ViTMAE)",
     {"encoder.layer.#.layernorm_before.weight", "layers.#.layernorm_before.weight"},
     kVit,
     1e-12,
     Activation::kGelu,
     adapt_vit},
    {"transformers (DINOv2)",
     {"encoder.layer.#.layer_scale1.lambda1", "encoder.layer.#.norm1.weight"},
     kDinov2,
     1e-6,
     Activation::kGelu,
     adapt_dinov2},
    {"transformers (CLIP, SigLIP)",
     {"encoder.layers.#.self_attn.q_proj.weight", "encoder.layers.#.self_attn.q_proj.weight"},
     kClip,
     1e-5,
     Activation::kQuickGelu,
     adapt_clip},
    {"transformers (Swin)",
     {"encoder.layers.#.blocks.#.layernorm_before.weight",
      "encoder.layers.#.blocks.#.layernorm_before.weight"},
     kSwin,
     1e-5,
     Activation::kGelu,
     adapt_swin},
};

}  // namespace

std::span<const std::string_view> inner_models() { return kInner; }

bool translate_transformers(const TensorTable& state, Translated& out) {
  // text_model.* and vision_model.* contain the same names; only the latter's prefix is removed.
  const TensorTable plain = bare(state);
  refuse_foreign(plain, kForeignToTransformers);
  for (const Naming& naming : kNamings) {
    if (!has_any(plain, naming.signs[0]) && !has_any(plain, naming.signs[1])) continue;
    out.names = naming.title;
    out.norm_eps = naming.norm_eps;
    out.activation = naming.activation;
    out.foreign = true;
    out.state = rename(plain, naming.rules, out.dropped);
    naming.adapt(out);
    return true;
  }
  return false;
}

}  // namespace vitrim::architecture
