#include "vitrim/architecture/executor.h"

#include <stdexcept>

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

std::optional<Undeclared> undeclared(const Executor& executor, const ModelSpec& spec) {
  using What = Undeclared::What;
  if (!executor.families.contains(spec.family)) return Undeclared{What::kFamily, spec.family};
  for (const BlockSpec& block : spec.blocks) {
    if (block.attention != AttentionKind::kNone && !executor.kinds.contains(block.attention))
      return Undeclared{What::kAttention, attention_name(block.attention)};
  }
  const auto follows = [&](const std::string& key) {
    return common_fields().contains(key) || executor.fields.contains(key);
  };
  const json::Json document = json::parse(to_json(spec), "the ModelSpec");
  for (const auto& [key, value] : document.items()) {
    if (!follows(key)) return Undeclared{What::kField, key};
  }
  for (const json::Json& block : document.at("blocks")) {
    for (const auto& [key, value] : block.items()) {
      if (!follows("blocks." + key)) return Undeclared{What::kField, "blocks." + key};
    }
  }
  return std::nullopt;
}

std::string why_not(const Executor& executor, const ModelSpec& spec) {
  const std::optional<Undeclared> found = undeclared(executor, spec);
  if (!found) return "";
  std::string what = "family " + found->name;
  if (found->what == Undeclared::What::kAttention) what = "attention \"" + found->name + "\"";
  if (found->what == Undeclared::What::kField) what = "field \"" + found->name + "\"";
  return executor.name + " does not support " + what +
         (executor.remedy.empty() ? "" : "; " + executor.remedy);
}

void check_declared(const Executor& executor, const ModelSpec& spec, const std::string& place) {
  if (const std::string reason = why_not(executor, spec); !reason.empty())
    throw std::invalid_argument(place + reason);
}

}  // namespace vitrim::architecture
