#pragma once
// Sets of removed layers divided over ranks, so that each walks branches of the prefix tree of its own.

#include <cstdint>
#include <vector>

#include "vitrim/select/set_scorer.h"

namespace vitrim::absorb {

struct SetShares {
  std::vector<std::vector<int>>
      sets;                 ///< per rank: indices of its sets; in rank order neighbours in the tree
  int64_t evaluations = 0;  ///< block evaluations that one process would need for all sets; blocks below the
                            ///< first removed layer cost none
};

/// Divides `sets` (ascending layers below `num_layers`) into `ranks` parts of about the same cost. Prefixes
/// that two parts share are walked twice.
SetShares divide_sets(const std::vector<select::LayerSet>& sets, int num_layers, int ranks);

}  // namespace vitrim::absorb
