#pragma once

#include <cstdint>
#include <vector>

#include "vitrim/core/model_spec.h"

namespace vitrim::report {

/// Parameters and multiply-adds of one branch for one image, norms' and scales' parameters included, their
/// arithmetic not.
struct BranchCost {
  int64_t params = 0;
  int64_t macs = 0;
};

struct BlockCost {
  BranchCost attention;
  BranchCost mlp;
};

/// Per block, from the architecture alone.
std::vector<BlockCost> block_costs(const ModelSpec& spec);

}  // namespace vitrim::report
