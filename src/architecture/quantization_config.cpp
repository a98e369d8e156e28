#include "vitrim/architecture/quantization_config.h"

#include "core/json.h"
#include "vitrim/architecture/parameters.h"

namespace vitrim::architecture {

std::string quantization_config(const ModelSpec& spec) {
  json::Json targets = json::Json::array();
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    for (const QuantizableLayer& layer : quantizable_layers(spec, i)) {
      if (spec.blocks[static_cast<size_t>(i)].int8.*layer.member) targets.push_back(layer.name);
    }
  }
  const auto bytes = [](const char* strategy, bool dynamic) {
    return json::Json{
        {"num_bits", 8}, {"type", "int"}, {"symmetric", true}, {"strategy", strategy}, {"dynamic", dynamic}};
  };
  const json::Json group = {{"targets", targets},
                            {"weights", bytes("channel", false)},
                            {"input_activations", bytes("token", true)}};
  const json::Json config = {{"quant_method", "compressed-tensors"},
                             {"format", "int-quantized"},
                             {"quantization_status", "compressed"},
                             {"config_groups", {{"group_0", group}}},
                             {"ignore", json::Json::array()}};
  return json::dump(config, -1);
}

}  // namespace vitrim::architecture
