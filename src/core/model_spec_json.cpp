#include "core/model_spec_json.h"

#include <stdexcept>
#include <utility>

#include "vitrim/core/error.h"
#include "vitrim/core/suggest.h"

namespace vitrim {
namespace {

using json::Json;
using json::Object;
using json::Place;

constexpr int64_t kVersion = 1;

template <typename Enum>
using Names = std::vector<std::pair<std::string, Enum>>;

const Names<AttentionKind> kAttentionNames = {{"none", AttentionKind::kNone},
                                              {"softmax", AttentionKind::kSoftmax}};
const Names<Pooling> kPoolingNames = {{"token", Pooling::kToken}, {"average", Pooling::kAverage}};
const Names<Interpolation> kInterpolationNames = {{"bicubic", Interpolation::kBicubic},
                                                  {"bilinear", Interpolation::kBilinear}};

template <typename Enum>
std::string name_of(const Names<Enum>& names, Enum value) {
  for (const auto& [name, known] : names) {
    if (known == value) return name;
  }
  throw std::invalid_argument("[core::to_json] the model spec holds a value without a name: " +
                              std::to_string(static_cast<int>(value)));
}

template <typename Enum>
void get_named(Object& object, const std::string& key, const Names<Enum>& names, Enum& value) {
  std::string text;
  object.get(key, text);
  std::vector<std::string> valid;
  for (const auto& [name, known] : names) {
    if (name == text) {
      value = known;
      return;
    }
    valid.push_back(name);
  }
  object.place(key).fail("unknown value \"" + text + "\"; did you mean \"" + nearest(text, valid) + "\"?");
}

Json write_block(const BlockSpec& block) {
  Json json;
  json["attention"] = name_of(kAttentionNames, block.attention);
  json["embed_dim"] = block.embed_dim;
  json["num_heads"] = block.num_heads;
  json["qk_dim"] = block.qk_dim;
  json["v_dim"] = block.v_dim;
  json["mlp_dim"] = block.mlp_dim;
  json["stream_gain"] = block.stream_gain;
  return json;
}

BlockSpec read_block(const Json& json, const Place& place) {
  Object object(json, place);
  BlockSpec block;
  get_named(object, "attention", kAttentionNames, block.attention);
  object.get("embed_dim", block.embed_dim);
  object.get("num_heads", block.num_heads);
  object.get("qk_dim", block.qk_dim);
  object.get("v_dim", block.v_dim);
  object.get("mlp_dim", block.mlp_dim);
  object.get("stream_gain", block.stream_gain);
  object.finish();
  return block;
}

Json write_preprocess(const PreprocessSpec& preprocess) {
  Json json;
  json["mean"] = preprocess.mean;
  json["std"] = preprocess.std;
  json["resize"] = preprocess.resize ? Json(*preprocess.resize) : Json();
  json["crop"] = preprocess.crop;
  json["interpolation"] = name_of(kInterpolationNames, preprocess.interpolation);
  return json;
}

PreprocessSpec read_preprocess(const Json& json, const Place& place) {
  Object object(json, place);
  PreprocessSpec preprocess;
  object.get("mean", preprocess.mean);
  object.get("std", preprocess.std);
  if (!object.at("resize").is_null()) {
    int64_t resize = 0;
    object.get("resize", resize);
    preprocess.resize = resize;
  }
  object.get("crop", preprocess.crop);
  get_named(object, "interpolation", kInterpolationNames, preprocess.interpolation);
  object.finish();
  return preprocess;
}

}  // namespace

Json write_model_spec(const ModelSpec& spec) {
  Json json;
  json["version"] = kVersion;
  json["family"] = spec.family;
  json["name"] = spec.name;
  json["image_size"] = spec.image_size;
  json["patch_size"] = spec.patch_size;
  json["in_channels"] = spec.in_channels;
  json["num_classes"] = spec.num_classes;
  json["embed_dim"] = spec.embed_dim;
  json["class_token"] = spec.class_token;
  json["distillation_token"] = spec.distillation_token;
  json["register_tokens"] = spec.register_tokens;
  json["embed_prefix_tokens"] = spec.embed_prefix_tokens;
  json["pooling"] = name_of(kPoolingNames, spec.pooling);
  json["pre_norm"] = spec.pre_norm;
  json["final_norm"] = spec.final_norm;
  json["fc_norm"] = spec.fc_norm;
  json["qkv_bias"] = spec.qkv_bias;
  json["qk_norm"] = spec.qk_norm;
  json["layer_scale"] = spec.layer_scale;
  json["norm_eps"] = spec.norm_eps;
  json["blocks"] = Json::array();
  for (const BlockSpec& block : spec.blocks) json["blocks"].push_back(write_block(block));
  json["preprocess"] = spec.preprocess ? write_preprocess(*spec.preprocess) : Json();
  return json;
}

ModelSpec read_model_spec(const Json& json, const Place& place) {
  Object object(json, place);
  // The version first: a newer document's new keys must be blamed on its age.
  int64_t version = 0;
  object.get("version", version);
  if (version < 1 || version > kVersion) {
    object.place("version").fail("version " + std::to_string(version) + " is not understood (newest " +
                                 std::to_string(kVersion) + "): update vitrim");
  }
  ModelSpec spec;
  object.get("family", spec.family);
  object.get("name", spec.name);
  object.get("image_size", spec.image_size);
  object.get("patch_size", spec.patch_size);
  object.get("in_channels", spec.in_channels);
  object.get("num_classes", spec.num_classes);
  object.get("embed_dim", spec.embed_dim);
  object.get("class_token", spec.class_token);
  object.get("distillation_token", spec.distillation_token);
  object.get("register_tokens", spec.register_tokens);
  object.get("embed_prefix_tokens", spec.embed_prefix_tokens);
  get_named(object, "pooling", kPoolingNames, spec.pooling);
  object.get("pre_norm", spec.pre_norm);
  object.get("final_norm", spec.final_norm);
  object.get("fc_norm", spec.fc_norm);
  object.get("qkv_bias", spec.qkv_bias);
  object.get("qk_norm", spec.qk_norm);
  object.get("layer_scale", spec.layer_scale);
  object.get("norm_eps", spec.norm_eps);
  const Json& blocks = object.at("blocks");
  const Place blocks_place = object.place("blocks");
  if (!blocks.is_array()) blocks_place.fail("expected a list");
  for (size_t i = 0; i < blocks.size(); ++i) {
    spec.blocks.push_back(read_block(blocks[i], blocks_place.at(std::to_string(i))));
  }
  const Json& preprocess = object.at("preprocess");
  if (!preprocess.is_null()) spec.preprocess = read_preprocess(preprocess, object.place("preprocess"));
  object.finish();
  return spec;
}

std::string to_json(const ModelSpec& spec) { return json::dump(write_model_spec(spec), -1); }

ModelSpec model_spec_from_json(std::string_view text, const std::string& source) {
  ModelSpec spec = read_model_spec(json::parse(text, source), Place{&source, ""});
  try {
    validate(spec);
  } catch (const std::invalid_argument& error) {
    throw FormatError(source, "", std::string("the model spec contradicts itself: ") + error.what());
  }
  return spec;
}

}  // namespace vitrim
