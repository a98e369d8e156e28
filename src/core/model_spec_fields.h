#pragma once
// The fields of a ModelSpec. Reading checks keys and types, but not whether the spec is a valid model.

#include "core/json_fields.h"
#include "vitrim/core/model_spec.h"
#include "vitrim/core/suggest.h"

namespace vitrim {

template <typename Enum>
using Names = std::vector<std::pair<std::string, Enum>>;

inline const Names<AttentionKind> kAttentionNames = {
    {"none", AttentionKind::kNone},
    {"softmax", AttentionKind::kSoftmax},
    {"window", AttentionKind::kWindow},
    {"focused_linear", AttentionKind::kFocusedLinear},
    {"cross_shaped_window", AttentionKind::kCrossShapedWindow},
    {"cross_focused_linear", AttentionKind::kCrossFocusedLinear},
    {"static", AttentionKind::kStatic}};
/// Names in older documents.
inline const Names<AttentionKind> kFormerAttentionNames = {
    {"cross_window", AttentionKind::kCrossShapedWindow}};
inline const Names<Pooling> kPoolingNames = {{"token", Pooling::kToken},
                                             {"average", Pooling::kAverage},
                                             {"token_and_average", Pooling::kTokenAndAverage}};
inline const Names<Activation> kActivationNames = {{"gelu", Activation::kGelu},
                                                   {"gelu_tanh", Activation::kGeluTanh},
                                                   {"quick_gelu", Activation::kQuickGelu},
                                                   {"relu", Activation::kRelu},
                                                   {"silu", Activation::kSilu}};
inline const Names<SegmentationHeadKind> kSegmentationHeadNames = {
    {"linear", SegmentationHeadKind::kLinear}, {"upernet", SegmentationHeadKind::kUperNet}};
inline const Names<Task> kTaskNames = {{"classification", Task::kClassification},
                                       {"segmentation", Task::kSegmentation}};
inline const Names<Interpolation> kInterpolationNames = {{"bicubic", Interpolation::kBicubic},
                                                         {"bilinear", Interpolation::kBilinear}};

/// An enumerator as its name. `former` names are read but not written.
template <typename Enum>
struct Named {
  Enum& value;
  const Names<std::remove_const_t<Enum>>& names;
  const Names<std::remove_const_t<Enum>>* former = nullptr;
};
template <typename Enum, typename AnyNames>
Named(Enum&, const AnyNames&) -> Named<Enum>;
template <typename Enum, typename AnyNames>
Named(Enum&, const AnyNames&, const AnyNames*) -> Named<Enum>;

template <typename Enum>
json::Json write(const Named<Enum>& named) {
  for (const auto& [name, known] : named.names) {
    if (known == named.value) return name;
  }
  throw std::invalid_argument("[core::to_json] the model spec holds a value without a name: " +
                              std::to_string(static_cast<int>(named.value)));
}

template <typename Enum>
void read(const json::Json& json, const json::Place& place, const Named<Enum>& named) {
  std::string text;
  read(json, place, text);
  std::vector<std::string> valid;
  for (const auto& [name, known] : named.names) {
    if (name == text) {
      named.value = known;
      return;
    }
    valid.push_back(name);
  }
  for (const auto& [name, known] : named.former ? *named.former : Names<std::remove_const_t<Enum>>{}) {
    if (name != text) continue;
    named.value = known;
    return;
  }
  place.fail("unknown value \"" + text + "\"; did you mean \"" + nearest(text, valid) + "\"?");
}

/// The names of these layers, in the order in which a block computes them.
json::Json write(const QuantizedLayers& layers);
void read(const json::Json& json, const json::Place& place, QuantizedLayers& layers);

struct SpecVersion {};
json::Json write(SpecVersion);
void read(const json::Json& json, const json::Place& place, SpecVersion);

void fields(auto& f, json::Is<BlockSpec> auto& block) {
  f("attention", Named{block.attention, kAttentionNames, &kFormerAttentionNames});
  f("embed_dim", block.embed_dim);
  f("num_heads", block.num_heads);
  f("qk_dim", block.qk_dim);
  f("v_dim", block.v_dim);
  f("mlp_dim", block.mlp_dim);
  f("stream_gain", block.stream_gain);
  // Fields that only some kinds use are not written at their defaults, so that older versions can read plain
  // ViTs.
  f.unless("window", block.window, int64_t{0});
  f.unless("shift", block.shift, int64_t{0});
  f.unless("sr_ratio", block.sr_ratio, int64_t{1});
  f.unless("merge", block.merge, int64_t{0});
  f.unless("filter", block.filter, int64_t{0});
  f.unless("per_head_filters", block.per_head_filters, false, "own_filters");
  f.unless("int8", block.int8, QuantizedLayers{});
  f.unless("int4", block.int4, QuantizedLayers{});
}

void fields(auto& f, json::Is<StageSpec> auto& stage) {
  f("depth", stage.depth);
  f("embed_dim", stage.embed_dim);
}

void fields(auto& f, json::Is<PreprocessSpec> auto& preprocess) {
  f("mean", preprocess.mean);
  f("std", preprocess.std);
  f("resize", preprocess.resize);
  f("crop", preprocess.crop);
  f("interpolation", Named{preprocess.interpolation, kInterpolationNames});
  f.unless("squash", preprocess.squash, false);
}

void fields(auto& f, json::Is<SegmentationHead> auto& head) {
  f("kind", Named{head.kind, kSegmentationHeadNames});
  f("channels", head.channels);
  f("blocks", head.blocks);
}

void fields(auto& f, json::Is<ModelSpec> auto& spec) {
  // The version is checked first, so that the message about a newer document names its version instead of an
  // unknown key.
  f("version", SpecVersion());
  f("family", spec.family);
  f("name", spec.name);
  f("image_size", spec.image_size);
  f("patch_size", spec.patch_size);
  f("in_channels", spec.in_channels);
  f("num_classes", spec.num_classes);
  f("embed_dim", spec.embed_dim);
  f("class_token", spec.class_token);
  f("distillation_token", spec.distillation_token);
  f("register_tokens", spec.register_tokens);
  f("embed_prefix_tokens", spec.embed_prefix_tokens);
  f("pooling", Named{spec.pooling, kPoolingNames});
  f("pre_norm", spec.pre_norm);
  f("final_norm", spec.final_norm);
  f("fc_norm", spec.fc_norm);
  f("qkv_bias", spec.qkv_bias);
  f("qk_norm", spec.qk_norm);
  f("layer_scale", spec.layer_scale);
  f("norm_eps", spec.norm_eps);
  f.when(spec.activation != Activation::kGelu, "activation", Named{spec.activation, kActivationNames});
  f.unless("gated_mlp", spec.gated_mlp, false);
  f.unless("focusing_factor", spec.focusing_factor, int64_t{3});
  f.unless("filter_size", spec.filter_size, int64_t{5});
  f.unless("stages", spec.stages, std::vector<StageSpec>{});
  f("blocks", spec.blocks);
  f("preprocess", spec.preprocess);
  f.unless("class_names", spec.class_names, std::vector<std::string>{});
  f.if_any("segmentation", spec.segmentation);
}

}  // namespace vitrim
