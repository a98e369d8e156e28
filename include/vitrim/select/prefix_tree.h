#pragma once
// Sets of removed layers as a tree of prefixes: the blocks that two sets have in common from the bottom up
// are computed once.

#include <cstdint>
#include <vector>

#include "vitrim/select/set_scorer.h"

namespace vitrim::select {

/// One block with one choice of removed layers up to and including it. A node is one block evaluation.
struct PrefixNode {
  int layer = -1;  ///< -1: the root, before block 0
  bool removed = false;
  std::vector<int> children;  ///< node indices
  std::vector<int> sets;      ///< at the last layer: indices of the sets that equal this path
};

/// The tree of `sets` over `num_layers` blocks; nodes()[0] is the root. For all 2^n sets of a model with n
/// blocks there are 2^(n+1) - 2 nodes below the root.
class PrefixTree {
 public:
  PrefixTree(const std::vector<LayerSet>& sets, int num_layers);
  const std::vector<PrefixNode>& nodes() const { return nodes_; }
  /// Number of block evaluations that one walk of the tree costs.
  int64_t evaluations() const { return static_cast<int64_t>(nodes_.size()) - 1; }

 private:
  std::vector<PrefixNode> nodes_;
};

}  // namespace vitrim::select
