#pragma once
// The sets that a choice must beat at equal budget: random, first k, last k, least norm.

#include <cstdint>
#include <string>
#include <vector>

#include "vitrim/core/artifacts.h"
#include "vitrim/select/set_scorer.h"

namespace vitrim::select {

/// Plans of `count` layers out of `candidates`: `random_seeds` random sets ("random 1", ...), "first-k",
/// "last-k", and "least-norm" where `norms` (one mean output norm per block) is not empty. The random sets
/// differ from each other; where there are fewer sets than asked for, all come. "random i" depends on `seed`
/// and on the ones before it only. Throws std::invalid_argument where count is out of range.
std::vector<CompressionPlan> control_plans(const std::vector<int>& candidates, int count,
                                           const std::vector<double>& norms, int random_seeds, uint64_t seed);

}  // namespace vitrim::select
