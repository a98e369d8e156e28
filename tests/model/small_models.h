#pragma once
// Small models of every variant with weights that make all their parts matter, images with structure, and
// tolerances.

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "vitrim/architecture/known.h"
#include "vitrim/architecture/parameters.h"
#include "vitrim/architecture/segmentation.h"
#include "vitrim/data/loader.h"
#include "vitrim/model/model.h"

namespace vitrim::test {

struct Variant {
  std::string name;
  ModelSpec spec;
};
inline void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

/// 32 x 32 images in patches of 8: 16 patch tokens, 32 channels, 2 heads, 10 classes.
inline ModelSpec small_spec(int64_t depth = 4) {
  ModelSpec spec = architecture::vit_spec(/*image_size=*/32, /*patch_size=*/8, /*embed_dim=*/32, depth,
                                          /*num_heads=*/2, /*mlp_dim=*/64, 10);
  spec.preprocess = PreprocessSpec{};
  spec.preprocess->crop = 32;
  return spec;
}

/// Maps of 8 x 8 and 4 x 4 tokens, 16 and 32 channels, heads of 8, `depth` blocks in all; a stage of focused
/// linear attention and one of softmax, except for Swin, which is softmax in shifted windows.
inline ModelSpec staged_spec(const std::string& family, int64_t depth = 4) {
  architecture::StagesOptions o;
  o.image_size = 32;
  o.num_classes = 10;
  o.embed_dims = {16, 32};
  o.depths = {depth / 2, depth - depth / 2};
  o.num_heads = {2, 4};
  o.mlp_ratios = {2, 2};
  o.attention = family == "swin" ? "SS" : "LS";
  const bool pvt = family.starts_with("pvt");
  o.regions = pvt                 ? std::vector<int64_t>{4, 2}
              : family == "cswin" ? std::vector<int64_t>{1, 2}
                                  : std::vector<int64_t>{4, 2};
  o.linear_regions = pvt                 ? std::vector<int64_t>{2, 1}
                     : family == "cswin" ? std::vector<int64_t>{2, 4}
                                         : std::vector<int64_t>{4, 4};
  ModelSpec spec = architecture::stages_spec(family, o);
  if (family == "cswin") {  // stripes in the last stage too, which the published models do not have
    for (int64_t i = depth / 2; i < depth; ++i) spec.blocks[static_cast<size_t>(i)].window = 2;
  }
  spec.preprocess = PreprocessSpec{};
  spec.preprocess->crop = 32;
  return spec;
}

/// A block without attention, as surgery::remove_attention() leaves it.
inline void take_attention(BlockSpec& block) {
  block.attention = AttentionKind::kNone;
  block.num_heads = block.qk_dim = block.v_dim = block.window = block.shift = block.filter = 0;
  block.sr_ratio = 1;
}

/// Blocks 0 and 2, as far as there are so many, with static attention instead of their own.
inline ModelSpec with_static_blocks(ModelSpec spec, int64_t filter) {
  for (size_t i = 0; i < spec.blocks.size() && i < 3; i += 2) {
    BlockSpec& block = spec.blocks[i];
    block.attention = AttentionKind::kStatic;
    block.qk_dim = block.window = block.shift = 0;
    block.sr_ratio = 1;
    block.filter = filter;
  }
  return spec;
}

/// Whether tokens can't merge in a ViT because they need their places.
inline bool has_static_blocks(const ModelSpec& spec) {
  return std::any_of(spec.blocks.begin(), spec.blocks.end(),
                     [](const BlockSpec& block) { return block.attention == AttentionKind::kStatic; });
}

/// Every variant of a model that the library knows.
inline std::vector<Variant> variants(int64_t depth = 4) {
  std::vector<Variant> out;
  const auto add = [&](const std::string& name) -> ModelSpec& {
    out.push_back({name, small_spec(depth)});
    return out.back().spec;
  };
  add("plain");
  {
    ModelSpec& spec = add("layerscale_qknorm");
    spec.layer_scale = spec.qk_norm = true;
  }
  {
    ModelSpec& spec = add("registers");
    spec.register_tokens = 4;
    spec.embed_prefix_tokens = false;
  }
  {
    ModelSpec& spec = add("average_pooled");
    spec.class_token = spec.embed_prefix_tokens = spec.final_norm = false;
    spec.fc_norm = true;
    spec.pooling = Pooling::kAverage;
  }
  add("distilled").distillation_token = true;
  add("no_qkv_bias").qkv_bias = false;
  add("pre_norm").pre_norm = true;
  {
    ModelSpec& spec = add("swiglu");
    spec.gated_mlp = spec.layer_scale = true;
    spec.activation = Activation::kSilu;
  }
  {
    ModelSpec& spec = add("clip");
    spec.pre_norm = true;
    spec.activation = Activation::kQuickGelu;
  }
  add("token_and_average").pooling = Pooling::kTokenAndAverage;
  for (const char* family : {"swin", "flatten_swin", "pvt", "pvt_v2", "cswin"})
    out.push_back({family, staged_spec(family, depth)});
  {
    ModelSpec spec = small_spec(depth);
    spec.register_tokens = 2;
    spec.layer_scale = true;
    out.push_back({"static", with_static_blocks(spec, 3)});
  }
  for (const char* family : {"swin", "pvt_v2", "cswin"})
    out.push_back({std::string("static_") + family, with_static_blocks(staged_spec(family, depth), 5)});
  return out;
}

/// Models for segmentation: both heads on a ViT, and a UPerNet on a Swin. Their kind can't be inferred from
/// the weights alone.
inline std::vector<Variant> segmentation_variants(int64_t depth = 4) {
  ModelSpec distilled = small_spec(depth);
  distilled.distillation_token = true;
  return {{"segment_linear",
           architecture::with_segmentation_head(distilled, SegmentationHeadKind::kLinear, 0, 5)},
          {"segment_upernet",
           architecture::with_segmentation_head(small_spec(depth), SegmentationHeadKind::kUperNet, 16, 5)},
          {"segment_upernet_swin", architecture::with_segmentation_head(
                                       staged_spec("swin", depth), SegmentationHeadKind::kUperNet, 16, 5)}};
}

/// Both.
inline std::vector<Variant> all_variants(int64_t depth = 4) {
  std::vector<Variant> out = variants(depth);
  for (Variant& v : segmentation_variants(depth)) out.push_back(std::move(v));
  return out;
}

inline ModelSpec variant(const std::string& name, int64_t depth = 4) {
  for (const Variant& v : all_variants(depth)) {
    if (v.name == name) return v.spec;
  }
  throw std::out_of_range(name);
}

/// Random weights at which every branch matters: matrices of gain 1, norms and layer scales off 1, biases off
/// 0.
inline model::StateDict lively_weights(const ModelSpec& spec, uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  model::StateDict weights;
  for (const architecture::ParameterInfo& info : architecture::parameter_layout(spec)) {
    at::Tensor value = at::randn(info.shape, generator);
    if (info.name.ends_with(".gamma")) {
      value = 0.6 + 0.1 * value;
    } else if (info.shape.size() == 1) {
      value = (info.name.ends_with("weight") ? 1.0 : 0.0) + 0.1 * value;
    } else if (info.name.ends_with(".weight")) {
      value = value / std::sqrt(static_cast<double>(value[0].numel()));
    } else {
      value = 0.5 * value;  // tokens, position embedding
    }
    weights.add(info.name, value);
  }
  return weights;
}

/// A staged spec of focused linear attention with its features' ninth powers.
inline ModelSpec sharp_spec(const std::string& family) {
  ModelSpec spec = staged_spec(family);
  spec.focusing_factor = 9;
  return spec;
}

/// Random weights, but features a thousandth as large: their ninth powers, squared for a norm, are 0 in
/// float32.
inline model::StateDict sharp_weights(const ModelSpec& spec, uint64_t seed) {
  model::StateDict weights;
  const model::StateDict lively = lively_weights(spec, seed);
  for (const auto& [name, tensor] : lively.entries())
    weights.add(name, name.ends_with(".scale") ? at::full_like(tensor, 1000) : tensor);
  return weights;
}

inline std::unique_ptr<model::Model> lively_model(const ModelSpec& spec, uint64_t seed = 1) {
  return model::make_model(spec, lively_weights(spec, seed));
}

/// Images of 4 x 4 random colours and some noise, labels 0..9 in turn. The same first images whatever `count`
/// is.
inline data::ImageBatch colour_images(int64_t count, uint64_t seed = 3, int64_t side = 32) {
  data::ImageBatch batch;
  std::vector<at::Tensor> images;
  for (int64_t i = 0; i < count; ++i) {
    at::Generator generator = at::detail::createCPUGenerator(seed * 1000003 + static_cast<uint64_t>(i));
    const at::Tensor coarse = at::randn({1, 3, 4, 4}, generator) * 60 + 128;
    const at::Tensor noise = at::randn({1, 3, side, side}, generator) * 6;
    images.push_back(
        (at::upsample_nearest2d(coarse, {side, side}) + noise).round().clamp(0, 255).to(at::kByte));
    batch.labels.push_back(i % 10);
    batch.names.push_back("image " + std::to_string(i));
  }
  batch.pixels = at::cat(images);
  batch.preprocess.crop = side;
  batch.description = "colour images";
  return batch;
}

inline at::Tensor colour_input(int64_t count, uint64_t seed = 3) {
  const data::ImageBatch batch = colour_images(count, seed);
  return data::normalized(batch, 0, count);
}

/// Rounding of float32 through a chain of `operations` sums of `terms` products each, relative to the largest
/// value: each sum is off by some sqrt(terms) * 2^-24, and independent ones add up as a root. `amplification`
/// is how much the network enlarges a relative change.
inline double float_tolerance(int64_t terms, int64_t operations, double amplification) {
  return std::ldexp(1.0, -24) * std::sqrt(static_cast<double>(terms * operations)) * amplification;
}

/// Sums in a forward pass of a spec: eight a block (two norms, qkv, scores, attend, proj, fc1, fc2),
/// embedding, last norm and head.
inline int64_t operations(const ModelSpec& spec) { return 3 + 8 * static_cast<int64_t>(spec.blocks.size()); }

/// max |got - wanted| / max |wanted|, infinite where the shapes differ or a value is not finite.
inline double relative_difference(const at::Tensor& got, const at::Tensor& wanted) {
  if (got.sizes() != wanted.sizes()) return std::numeric_limits<double>::infinity();
  const at::Tensor a = got.detach().to(at::kDouble), b = wanted.detach().to(at::kDouble);
  const double difference = (a - b).abs().max().item<double>(), scale = b.abs().max().item<double>();
  if (difference == 0) return 0;
  return std::isfinite(difference) && scale > 0 ? difference / scale
                                                : std::numeric_limits<double>::infinity();
}

/// The gradient against whose size another one's rounding is measured. Softmax does not see what is added to
/// every key, so the gradient of a key norm's bias is zero and only rounding: it is measured against that of
/// the norm's weight.
inline std::string gradient_scale(const std::string& name) {
  return name.ends_with("k_norm.bias") ? name.substr(0, name.size() - 4) + "weight" : name;
}

}  // namespace vitrim::test
