#pragma once
// Which sets are put beside the chosen one.

#include <vector>

#include "vitrim/core/artifacts.h"

namespace vitrim::pipeline {

/// The other criterion's set where `scores` has it, random sets, first-k, last-k, least-norm.
std::vector<CompressionPlan> plans_to_compare(const LayerScores* scores, const std::vector<int>& chosen,
                                              const std::vector<int>& candidates,
                                              const std::vector<double>& norms, int random_controls,
                                              uint64_t seed);

}  // namespace vitrim::pipeline
