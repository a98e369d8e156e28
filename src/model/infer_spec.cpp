// Reads a ViT's architecture off the names and shapes of its tensors.

#include <ATen/ATen.h>

#include <cmath>
#include <sstream>
#include <stdexcept>

#include "vitrim/core/error.h"
#include "vitrim/model/loading.h"

namespace vitrim::model {

namespace {

std::string metadata_value(const checkpoint::StateDict& state, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const auto found = state.metadata.find(key);
    if (found != state.metadata.end()) return found->second;
  }
  return {};
}

std::optional<double> as_number(const std::string& text) {
  if (text.empty()) return std::nullopt;
  try {
    size_t used = 0;
    const double value = std::stod(text, &used);
    if (used == text.size()) return value;
  } catch (const std::exception&) {
  }
  return std::nullopt;
}

// "0.5" or "0.485,0.456,0.406", with or without brackets.
std::optional<std::array<double, 3>> as_triple(std::string text) {
  for (char& c : text) {
    if (c == ',' || c == '[' || c == ']' || c == '(' || c == ')') c = ' ';
  }
  std::istringstream in(text);
  std::vector<double> values;
  for (double v; in >> v;) values.push_back(v);
  if (!in.eof()) return std::nullopt;
  if (values.size() == 1) return std::array<double, 3>{values[0], values[0], values[0]};
  if (values.size() == 3) return std::array<double, 3>{values[0], values[1], values[2]};
  return std::nullopt;
}

// mean and std from metadata; the rest as timm's ViTs have it: crop the whole input out of 10/9 of it, bicubic.
std::optional<PreprocessSpec> infer_preprocess(const checkpoint::StateDict& state, int64_t image_size) {
  const auto mean = as_triple(metadata_value(state, {"mean"}));
  const auto std = as_triple(metadata_value(state, {"std"}));
  if (!mean || !std) return std::nullopt;
  PreprocessSpec p;
  p.mean = *mean;
  p.std = *std;
  p.crop = image_size;
  const auto resize = as_number(metadata_value(state, {"resize"}));
  p.resize = resize ? static_cast<int64_t>(*resize) : image_size * 10 / 9;
  if (metadata_value(state, {"resize"}) == "none") p.resize = std::nullopt;
  if (metadata_value(state, {"interpolation"}) == "bilinear") p.interpolation = Interpolation::kBilinear;
  return p;
}

int64_t count_blocks(const checkpoint::StateDict& state) {
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

[[noreturn]] void refuse(const checkpoint::StateDict& state, const std::string& where, const std::string& what) {
  throw FormatError(state.path.empty() ? "the weights" : state.path, where, what);
}

const at::Tensor& need(const checkpoint::StateDict& state, const std::string& name, int64_t dims) {
  if (!state.contains(name)) {
    refuse(state, name, "this tensor is missing, so the file is no ViT or DeiT with timm's names (the only family known so far)");
  }
  const at::Tensor& tensor = state.at(name);
  if (tensor.dim() != dims) refuse(state, name, "expected " + std::to_string(dims) + " dimensions, found " + std::to_string(tensor.dim()));
  for (int64_t size : tensor.sizes()) {
    if (size <= 0) refuse(state, name, "a dimension is empty");
  }
  return tensor;
}

int64_t infer_heads(const checkpoint::StateDict& state, const LoadHints& hints, int64_t embed_dim) {
  if (hints.num_heads) return *hints.num_heads;
  if (const auto stated = as_number(metadata_value(state, {"num_heads", "heads"}))) return static_cast<int64_t>(*stated);
  if (state.contains("blocks.0.attn.q_norm.weight")) return embed_dim / std::max<int64_t>(1, state.at("blocks.0.attn.q_norm.weight").numel());
  // Every published ViT and DeiT has heads of 64 channels.
  if (embed_dim % 64 == 0) return embed_dim / 64;
  refuse(state, "blocks.0.attn.qkv.weight",
         "the number of heads can't be told from width " + std::to_string(embed_dim) + "; pass --num-heads");
}

BlockSpec infer_block(const checkpoint::StateDict& state, const std::string& prefix, int64_t embed_dim, int64_t heads) {
  BlockSpec block;
  block.embed_dim = embed_dim;
  block.mlp_dim = need(state, prefix + ".mlp.fc1.weight", 2).size(0);
  if (!state.contains(prefix + ".attn.qkv.weight")) {
    block.attention = AttentionKind::kNone;
    return block;
  }
  const int64_t rows = need(state, prefix + ".attn.qkv.weight", 2).size(0);
  const int64_t values = need(state, prefix + ".attn.proj.weight", 2).size(1);
  if (heads <= 0 || values % heads != 0 || (rows - values) % (2 * heads) != 0 || rows <= values) {
    refuse(state, prefix + ".attn.qkv.weight",
           "num_heads " + std::to_string(heads) + " does not divide the attention's channels; pass another --num-heads");
  }
  block.num_heads = heads;
  block.v_dim = values / heads;
  block.qk_dim = (rows - values) / (2 * heads);
  return block;
}

// How position embedding, prefix tokens and image size hang together.
void infer_tokens(const checkpoint::StateDict& state, const LoadHints& hints, ModelSpec& spec) {
  const int64_t length = need(state, "pos_embed", 3).size(1);
  auto side_of = [](int64_t patches) -> int64_t {
    if (patches <= 0) return 0;
    const auto side = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(patches))));
    return side * side == patches ? side : 0;
  };
  int64_t side = side_of(length - spec.prefix_tokens());
  spec.embed_prefix_tokens = true;
  if (side == 0 || (spec.register_tokens > 0 && side_of(length) > 0)) {
    if (side_of(length) == 0) refuse(state, "pos_embed", "its " + std::to_string(length) + " positions are no square grid of patches");
    side = side_of(length);
    spec.embed_prefix_tokens = false;
  }
  if (spec.prefix_tokens() == 0) spec.embed_prefix_tokens = false;
  const int64_t size = hints.image_size.value_or(side * spec.patch_size);
  if (size <= 0 || size % spec.patch_size != 0) {
    throw std::invalid_argument("[model::infer_spec] image size " + std::to_string(size) + " is no multiple of the patch size " +
                                std::to_string(spec.patch_size));
  }
  spec.image_size = {size, size};
}

ModelSpec infer_vit(const checkpoint::StateDict& state, const LoadHints& hints) {
  ModelSpec spec;
  const at::Tensor& patch = need(state, "patch_embed.proj.weight", 4);
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
  if (const auto eps = as_number(metadata_value(state, {"norm_eps", "eps"}))) spec.norm_eps = *eps;
  spec.preprocess = infer_preprocess(state, spec.image_size[0]);
  return spec;
}

}  // namespace

ModelSpec infer_spec(const checkpoint::StateDict& state, const LoadHints& hints) {
  ModelSpec spec;
  const auto own = state.metadata.find(kSpecMetadataKey);
  if (own != state.metadata.end()) {
    spec = model_spec_from_json(own->second, state.path + ": metadata " + kSpecMetadataKey);
    if (hints.image_size) {
      spec.image_size = {*hints.image_size, *hints.image_size};
      if (spec.preprocess) {  // the same share of the image at the new size
        if (spec.preprocess->resize) *spec.preprocess->resize = *spec.preprocess->resize * *hints.image_size / spec.preprocess->crop;
        spec.preprocess->crop = *hints.image_size;
      }
    }
  } else {
    spec = infer_vit(state, hints);
  }
  if (hints.num_classes && *hints.num_classes != spec.num_classes) {
    refuse(state, "head.weight",
           "the classifier has " + std::to_string(spec.num_classes) + " classes, not " + std::to_string(*hints.num_classes) +
               "; pass --num-classes " + std::to_string(spec.num_classes) + " or a checkpoint trained on these classes");
  }
  validate(spec);
  return spec;
}

}  // namespace vitrim::model
