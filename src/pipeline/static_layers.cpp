#include "vitrim/pipeline/static_layers.h"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "vitrim/core/layer_list.h"

namespace vitrim::pipeline {

namespace {

// The text of the number of layers, if `text` does not list them: "25%", or the 3 of "best:3".
std::optional<std::string> number_of_static(const std::string& text) {
  constexpr std::string_view kBest = "best:";
  if (text.starts_with(kBest)) return text.substr(kBest.size());
  return text.ends_with('%') ? std::optional(text) : std::nullopt;
}

}  // namespace

void set_static_layers(CompressOptions& options, const std::string& text, int blocks) {
  try {
    if (const auto count = number_of_static(text)) {
      options.static_count = parse_layer_count(*count, blocks);
      if (options.static_count == 0)
        throw std::invalid_argument("\"" + text + "\" is not a layer of " + std::to_string(blocks));
    } else {
      options.static_layers = parse_layer_list(text, blocks);
    }
  } catch (const std::invalid_argument& error) {
    const bool one_number = text.find_first_not_of("0123456789.") == std::string::npos;
    throw std::invalid_argument(std::string("--static: ") + error.what() +
                                (one_number ? "; write 25% for a share of the layers" : ""));
  }
  for (const int layer : options.layers) {
    if (std::count(options.static_layers.begin(), options.static_layers.end(), layer) > 0)
      throw std::invalid_argument("layer " + std::to_string(layer) +
                                  " is in both --static and --remove-attention; list it in one of them");
  }
}

}  // namespace vitrim::pipeline
