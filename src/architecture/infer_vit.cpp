// Infers a ViT's architecture from the names and shapes of its tensors.

#include <algorithm>

#include "architecture/infer.h"
#include "architecture/published_vits.h"

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

constexpr const char* kHeadsPlace = "blocks.0.attn.qkv.weight";

// "12 or 16".
std::string either(const std::vector<int64_t>& counts) {
  std::string out;
  for (size_t i = 0; i < counts.size(); ++i)
    out += (i == 0 ? "" : i + 1 == counts.size() ? " or " : ", ") + std::to_string(counts[i]);
  return out;
}

// The number of heads if it is not stated: that of the named architecture, of the published sizes with this
// shape, or heads of 64 channels.
int64_t usual_heads(const TensorTable& state, const Evidence& evidence, const VitShape& shape) {
  const int64_t width = shape.embed_dim;
  const std::string wide = std::to_string(width) + " channels";
  const auto assumed = [&](int64_t heads, const std::string& why, bool guess) {
    evidence.assume({"num_heads", std::to_string(heads), why, "--num-heads", guess});
    return heads;
  };
  if (const auto named = published_vit(evidence.architecture, width)) {
    if (named->embed_dim == width) return named->num_heads;
    if (width % named->num_heads == 0) {
      refuse(state, kHeadsPlace,
             "its architecture is stated as " + evidence.architecture + ", which has " +
                 std::to_string(named->num_heads) + " heads and " + std::to_string(named->embed_dim) +
                 " channels, but the model has " + wide +
                 ", so it may have fewer heads or narrower ones; pass --num-heads");
    }
  }
  const PublishedHeads published = published_heads(shape);
  if (published.counts.size() > 1) {
    refuse(state, kHeadsPlace,
           "published models of this shape have " + either(published.counts) +
               " heads; pass --num-heads with the model's number");
  }
  if (published.counts.size() == 1) {
    return assumed(published.counts.front(),
                   published.exact ? "as the published models of this width, depth and MLP"
                                   : "as published models of " + wide + ", whose depth or MLP differs",
                   !published.exact);
  }
  if (width % 64 == 0) return assumed(width / 64, "64 channels a head; no published ViT has " + wide, true);
  refuse(state, kHeadsPlace,
         "the number of heads can't be inferred from width " + std::to_string(width) + "; pass --num-heads");
}

int64_t infer_heads(const TensorTable& state, const Evidence& evidence, const VitShape& shape) {
  if (!evidence.hints.num_heads.empty()) return evidence.hints.num_heads.front();
  if (const auto stated = metadata_count(state, {"num_heads", "heads"})) return *stated;
  for (int64_t i = 0; i < shape.depth; ++i) {  // norms of queries have the width of a head
    const std::string norm = "blocks." + std::to_string(i) + ".attn.q_norm.weight";
    if (state.contains(norm)) return shape.embed_dim / std::max<int64_t>(1, state.at(norm).numel());
  }
  return usual_heads(state, evidence, shape);
}

BlockSpec infer_block(const TensorTable& state, const std::string& prefix, int64_t embed_dim, int64_t heads) {
  BlockSpec block;
  block.embed_dim = embed_dim;
  block.mlp_dim = need(state, prefix + ".mlp.fc2.weight", 2).size(1);
  const std::string qkv = prefix + ".attn.qkv.weight";
  if (!state.contains(qkv)) {
    const auto& tensors = state.entries();
    const bool other_names = std::any_of(tensors.begin(), tensors.end(), [&](const auto& entry) {
      return entry.first.starts_with(prefix + ".attn.");
    });
    if (other_names) need(state, qkv, 2);  // which is refused
    block.attention = AttentionKind::kNone;
    return block;
  }
  const int64_t rows = need(state, qkv, 2).size(0);
  const int64_t values = need(state, prefix + ".attn.proj.weight", 2).size(1);
  if (heads <= 0 || values % heads != 0 || (rows - values) % (2 * heads) != 0 || rows <= values) {
    refuse(state, qkv,
           "num_heads " + std::to_string(heads) +
               " does not divide the attention's channels; pass another --num-heads");
  }
  block.num_heads = heads;
  block.v_dim = values / heads;
  block.qk_dim = (rows - values) / (2 * heads);
  return block;
}

// Whether the MLPs have a gate; then fc1 has two units for each input of fc2.
bool infer_gates(const TensorTable& state, const ModelSpec& spec) {
  bool gated = false;
  for (size_t i = 0; i < spec.blocks.size(); ++i) {
    const std::string name = "blocks." + std::to_string(i) + ".mlp.fc1.weight";
    const int64_t rows = need(state, name, 2).size(0), read = spec.blocks[i].mlp_dim;
    const bool twice = rows == 2 * read;
    if ((rows != read && !twice) || (i > 0 && twice != gated)) {
      refuse(state, name,
             "makes " + std::to_string(rows) + " hidden units, but fc2 reads " + std::to_string(read) +
                 ", which fits neither a plain MLP nor a gated one");
    }
    gated = twice;
  }
  return gated;
}

// The size that the tensors of all blocks determine. Blocks with different MLPs match no published size.
VitShape shape_of(const TensorTable& state, const ModelSpec& spec, int64_t depth) {
  VitShape shape;
  shape.embed_dim = spec.embed_dim;
  shape.depth = depth;
  shape.class_token = spec.class_token;
  shape.patch_size = spec.patch_size;
  shape.patches = need(state, "pos_embed", 3).size(1) - (spec.embed_prefix_tokens ? spec.prefix_tokens() : 0);
  for (int64_t i = 0; i < depth; ++i) {
    const std::string mlp = "blocks." + std::to_string(i) + ".mlp.";
    const int64_t read = need(state, mlp + "fc2.weight", 2).size(1);
    if (i > 0 && read != shape.mlp_dim) {
      shape.mlp_dim = 0;
      break;
    }
    shape.mlp_dim = read;
    shape.gated_mlp = need(state, mlp + "fc1.weight", 2).size(0) == 2 * read;
  }
  return shape;
}

// The properties of a ViT, other than its heads, that neither shapes nor names of tensors determine.
void infer_the_rest(const TensorTable& state, const Evidence& evidence, const VitShape& shape,
                    ModelSpec& spec) {
  const bool published = published_heads(shape).exact,
             guess = !published || (evidence.usual && evidence.usual->guess);
  spec.norm_eps = infer_norm_eps(state, evidence, spec.norm_eps, guess);
  if (spec.gated_mlp) {
    spec.activation = Activation::kSilu;
  } else if (evidence.usual) {
    spec.activation = evidence.usual->activation;
  } else if (is_published_with_gelu_tanh(shape)) {
    spec.activation = Activation::kGeluTanh;
  }
  if (!evidence.architecture.empty()) return;  // the name determines the rest, or it is as in timm
  if (!evidence.hints.activation) {
    evidence.assume({"activation", activation_name(spec.activation),
                     spec.gated_mlp   ? "a gate, so SwiGLU"
                     : evidence.usual ? evidence.usual->why
                     : published      ? "as the published models of this shape"
                                      : "as of most ViTs",
                     "--activation", guess && !spec.gated_mlp});
  }
  if (!evidence.hints.pooling && !evidence.usual && spec.class_token && spec.pooling == Pooling::kToken)
    evidence.assume({"pooling", "token", "there is a class token", "--pooling", false});
}

}  // namespace

std::optional<ModelSpec> infer_vit(const TensorTable& state, const Evidence& evidence) {
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
  infer_positions(state, evidence, spec);
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
  const VitShape shape = shape_of(state, spec, depth);
  const int64_t heads = any_attention ? infer_heads(state, evidence, shape) : 1;
  for (int64_t i = 0; i < depth; ++i) {
    spec.blocks.push_back(infer_block(state, "blocks." + std::to_string(i), spec.embed_dim, heads));
  }
  spec.gated_mlp = infer_gates(state, spec);
  infer_the_rest(state, evidence, shape, spec);
  spec.preprocess = infer_preprocess(state, evidence, spec.image_size[0]);
  return spec;
}

}  // namespace vitrim::architecture
