#include "vitrim/select/prefix_tree.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace vitrim::select {

PrefixTree::PrefixTree(const std::vector<LayerSet>& sets, int num_layers) {
  nodes_.emplace_back();
  for (size_t s = 0; s < sets.size(); ++s) {
    const LayerSet& set = sets[s];
    for (size_t i = 0; i < set.size(); ++i) {
      if (set[i] < 0 || set[i] >= num_layers || (i > 0 && set[i] <= set[i - 1])) {
        throw std::invalid_argument("[select::PrefixTree] set " + std::to_string(s) +
                                    " is not ascending within 0.." + std::to_string(num_layers - 1));
      }
    }
    int node = 0;
    for (int layer = 0; layer < num_layers; ++layer) {
      const bool removed = std::binary_search(set.begin(), set.end(), layer);
      int next = -1;
      for (int child : nodes_[node].children) {
        if (nodes_[child].removed == removed) next = child;
      }
      if (next < 0) {
        next = static_cast<int>(nodes_.size());
        nodes_.push_back({layer, removed, {}, {}});
        nodes_[node].children.push_back(next);
      }
      node = next;
    }
    nodes_[node].sets.push_back(static_cast<int>(s));
  }
}

}  // namespace vitrim::select
