#include "vitrim/core/layer_list.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <stdexcept>

namespace vitrim {
namespace {

// Only digits are accepted: no sign, no blanks, no overflow.
bool parse_index(std::string_view text, int& value) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

std::string quoted(std::string_view text) { return std::string(1, '"').append(text).append(1, '"'); }

}  // namespace

std::vector<int> parse_layer_list(std::string_view text, int num_layers) {
  const auto fail = [&](const std::string& why) -> void {
    throw std::invalid_argument(quoted(text) + ": " + why);
  };
  std::vector<int> layers;
  std::string_view rest = text;
  while (true) {
    const size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    int layer = 0;
    if (!parse_index(item, layer)) {
      fail(quoted(item) + " is not a layer number; write numbers with commas between them, such as 0,1,3");
    }
    if (layer >= num_layers) {
      fail("layer " + std::to_string(layer) + " does not exist, the model has layers 0 to " +
           std::to_string(num_layers - 1));
    }
    layers.push_back(layer);
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  std::sort(layers.begin(), layers.end());
  const auto repeat = std::adjacent_find(layers.begin(), layers.end());
  if (repeat != layers.end()) fail("layer " + std::to_string(*repeat) + " is named twice");
  return layers;
}

int parse_layer_count(std::string_view text, int num_layers) {
  const auto fail = [&](const std::string& why) -> void {
    throw std::invalid_argument(quoted(text) + ": " + why);
  };
  const std::string forms = "write a number of layers, such as 3, or a share of them, such as 25%";
  const std::string too_many = "more than the " + std::to_string(num_layers) + " layers there are";
  int count = 0;
  if (!text.empty() && text.back() == '%') {
    const std::string_view number = text.substr(0, text.size() - 1);
    double percent = 0;
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), percent, std::chars_format::fixed);
    const bool starts_with_digit = !number.empty() && number.front() >= '0' && number.front() <= '9';
    if (!starts_with_digit || error != std::errc() || end != number.data() + number.size()) fail(forms);
    if (percent > 100) fail(too_many);
    count = static_cast<int>(std::floor(percent * num_layers / 100 + 0.5));
  } else if (!parse_index(text, count)) {
    fail(forms);
  }
  if (count > num_layers) {
    const bool a_share = text.back() != '%' && count <= 100;
    fail(too_many + (a_share ? "; write " + std::to_string(count) + "% for a share" : ""));
  }
  return count;
}

std::string format_layer_list(const std::vector<int>& layers) {
  std::string text;
  for (const int layer : layers) {
    if (!text.empty()) text += ',';
    text += std::to_string(layer);
  }
  return text;
}

std::string format_choice(const std::string& reason) {
  const size_t end = std::min(reason.find("; "), reason.size());
  const size_t comma = reason.find(", ");
  if (comma >= end) return reason;
  return "criterion " + reason.substr(0, end) + " search" + reason.substr(end);
}

}  // namespace vitrim
