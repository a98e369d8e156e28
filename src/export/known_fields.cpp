#include "export/known_fields.h"

#include <set>
#include <stdexcept>

#include "core/json.h"

namespace vitrim::exporter {

namespace {

void check(const json::Json& object, const std::set<std::string>& known, const std::string& place) {
  for (const auto& [key, value] : object.items()) {
    if (!known.contains(key))
      throw std::invalid_argument(place + "the writer does not know what \"" + key + "\" does to a model");
  }
}

}  // namespace

void check_known_fields(const std::string& spec_json, const std::string& place) {
  static const std::set<std::string> of_spec = {"version",
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
                                                "focusing_factor",
                                                "filter_size",
                                                "stages",
                                                "blocks",
                                                "preprocess",
                                                "class_names",
                                                "activation",
                                                "gated_mlp"};
  static const std::set<std::string> of_block = {
      "attention", "embed_dim", "num_heads", "qk_dim", "v_dim",       "mlp_dim", "stream_gain",
      "window",    "shift",     "sr_ratio",  "merge",  "own_filters", "filter"};
  const json::Json document = json::parse(spec_json, "the ModelSpec");
  check(document, of_spec, place);
  for (const json::Json& block : document.at("blocks")) check(block, of_block, place);
}

}  // namespace vitrim::exporter
