#include "vitrim/architecture/quantization_config.h"

#include "core/json.h"
#include "vitrim/architecture/parameters.h"

namespace vitrim::architecture {

std::string quantization_config(const ModelSpec& spec) {
  json::Json eight = json::Json::array(), four = json::Json::array();
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    const BlockSpec& block = spec.blocks[static_cast<size_t>(i)];
    for (const QuantizableLayer& layer : quantizable_layers(spec, i)) {
      if (block.int8.*layer.member) (block.int4.*layer.member ? four : eight).push_back(layer.name);
    }
  }
  const auto numbers = [](int bits, const char* strategy, bool dynamic) {
    return json::Json{{"num_bits", bits},
                      {"type", "int"},
                      {"symmetric", true},
                      {"strategy", strategy},
                      {"dynamic", dynamic}};
  };
  const char *const of_eight = "int-quantized", *const of_four = "pack-quantized";
  json::Json groups = json::Json::object();
  const auto add = [&](const json::Json& targets, const json::Json& weights, const char* format) {
    if (targets.empty()) return;
    json::Json group = {
        {"targets", targets}, {"weights", weights}, {"input_activations", numbers(8, "token", true)}};
    if (!four.empty())
      group["format"] = format;  // otherwise the package would assume another format for 4 bits
    groups["group_" + std::to_string(groups.size())] = group;
  };
  add(eight, numbers(8, "channel", false), of_eight);
  json::Json in_groups = numbers(4, "group", false);
  in_groups["group_size"] = kInt4Group;
  add(four, in_groups, of_four);
  const json::Json config = {{"quant_method", "compressed-tensors"},
                             {"format", four.empty()    ? of_eight
                                        : eight.empty() ? of_four
                                                        : "mixed-precision"},
                             {"quantization_status", "compressed"},
                             {"config_groups", groups},
                             {"ignore", json::Json::array()}};
  return json::dump(config, -1);
}

}  // namespace vitrim::architecture
