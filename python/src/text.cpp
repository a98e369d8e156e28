#include "text.h"

#include <algorithm>
#include <array>

namespace vitrim::python {

namespace {

constexpr std::array kFlags = {
    "num-heads",     "stream-gain", "activation",       "norm-eps",    "pooling", "weights",  "image-size",
    "classes",       "max-pixels",  "class-order",      "max-corrupt", "mean",    "std",      "resize",
    "interpolation", "static",      "remove-attention", "memory",      "views",   "budget-kl"};

// The length of the flag's name at the beginning of `text`.
size_t name_length(std::string_view text) {
  const auto* end =
      std::find_if(text.begin(), text.end(), [](char c) { return (c < 'a' || c > 'z') && c != '-'; });
  return static_cast<size_t>(end - text.begin());
}

}  // namespace

std::string in_python(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const bool begins =
        text.substr(i).starts_with("--") && (i == 0 || text[i - 1] == ' ' || text[i - 1] == '(');
    const size_t length = begins ? name_length(text.substr(i + 2)) : 0;
    std::string name(text.substr(i + (begins ? 2 : 0), length));
    if (std::find(kFlags.begin(), kFlags.end(), name) == kFlags.end()) {
      out += text[i++];
      continue;
    }
    std::replace(name.begin(), name.end(), '-', '_');
    out += name;
    i += 2 + length;
  }
  return out;
}

}  // namespace vitrim::python
