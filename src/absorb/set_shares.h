#pragma once
// Divides sets of removed layers among ranks, so that each rank walks its own branches of the prefix tree.

#include <cstdint>
#include <vector>

#include "vitrim/select/set_scorer.h"

namespace vitrim::absorb {

struct SetShares {
  std::vector<std::vector<int>>
      sets;  ///< per rank: indices of its sets; consecutive ranks have neighbouring branches of the tree
  int64_t evaluations = 0;  ///< block evaluations that one process would need for all sets; blocks below the
                            ///< first removed layer cost nothing
};

/// Divides `sets` (ascending layers below `num_layers`) into `ranks` parts of about equal cost. A prefix that
/// two parts share is computed twice.
SetShares divide_sets(const std::vector<select::LayerSet>& sets, int num_layers, int ranks);

}  // namespace vitrim::absorb
