#include "select/set_sizes.h"

#include <algorithm>

namespace vitrim::select {

std::string set_sizes(const std::vector<LayerSet>& sets, const std::string& kind) {
  size_t smallest = 0, largest = 0;
  for (const LayerSet& set : sets) {
    if (set.empty()) continue;
    smallest = smallest == 0 ? set.size() : std::min(smallest, set.size());
    largest = std::max(largest, set.size());
  }
  if (largest == 0) return "the dense model";
  return "sets of " + (smallest < largest ? std::to_string(smallest) + " to " : "") +
         std::to_string(largest) + " " + kind + (largest == 1 ? "layer" : "layers");
}

}  // namespace vitrim::select
