#pragma once
// The control sets that are compared with the chosen one.

#include <vector>

#include "vitrim/core/artifacts.h"

namespace vitrim::pipeline {

/// The set of the other criterion if `scores` has one, random sets, first-k, last-k, least-norm.
std::vector<CompressionPlan> plans_to_compare(const LayerScores* scores, const std::vector<int>& chosen,
                                              const std::vector<int>& candidates,
                                              const std::vector<double>& norms, int random_controls,
                                              uint64_t seed);

}  // namespace vitrim::pipeline
