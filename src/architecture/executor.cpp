#include "vitrim/architecture/executor.h"

#include "core/json.h"

namespace vitrim::architecture {

const std::set<std::string>& common_fields() {
  static const std::set<std::string> fields = {"version",
                                               "family",
                                               "name",
                                               "image_size",
                                               "patch_size",
                                               "in_channels",
                                               "num_classes",
                                               "embed_dim",
                                               "class_token",
                                               "distillation_token",
                                               "register_tokens",
                                               "embed_prefix_tokens",
                                               "pooling",
                                               "pre_norm",
                                               "final_norm",
                                               "fc_norm",
                                               "qkv_bias",
                                               "qk_norm",
                                               "layer_scale",
                                               "norm_eps",
                                               "stages",
                                               "blocks",
                                               "preprocess",
                                               "class_names",
                                               "blocks.attention",
                                               "blocks.embed_dim",
                                               "blocks.num_heads",
                                               "blocks.qk_dim",
                                               "blocks.v_dim",
                                               "blocks.mlp_dim",
                                               "blocks.stream_gain"};
  return fields;
}

std::string why_not(const Executor& executor, const ModelSpec& spec) {
  const std::string remedy = executor.remedy.empty() ? "" : "; " + executor.remedy;
  const auto unknown = [&](const std::string& what) {
    return executor.name + " does not know " + what + remedy;
  };
  if (!executor.families.contains(spec.family)) return unknown("family " + spec.family);
  for (const BlockSpec& block : spec.blocks) {
    if (block.attention != AttentionKind::kNone && !executor.kinds.contains(block.attention))
      return unknown("attention \"" + attention_name(block.attention) + "\"");
  }
  const auto follows = [&](const std::string& key) {
    return common_fields().contains(key) || executor.fields.contains(key);
  };
  const json::Json document = json::parse(to_json(spec), "the ModelSpec");
  for (const auto& [key, value] : document.items()) {
    if (!follows(key)) return unknown("what \"" + key + "\" does to a model");
  }
  for (const json::Json& block : document.at("blocks")) {
    for (const auto& [key, value] : block.items()) {
      if (!follows("blocks." + key)) return unknown("what \"blocks." + key + "\" does to a model");
    }
  }
  return "";
}

}  // namespace vitrim::architecture
