#pragma once
// Control sets that a choice should beat at an equal budget: random, first k, last k, least norm.

#include <cstdint>
#include <string>
#include <vector>

#include "vitrim/core/artifacts.h"
#include "vitrim/select/set_scorer.h"

namespace vitrim::select {

/// Plans that remove `count` of `candidates`: `random_seeds` random sets ("random 1", ...), "first-k",
/// "last-k", and "least-norm" if `norms` (mean output norm of every block) is not empty. The random sets
/// differ from each other; if there are fewer sets than requested, all of them are returned. "random i"
/// depends only on `seed` and on the random sets before it. Throws std::invalid_argument if count is out of
/// range.
std::vector<CompressionPlan> control_plans(const std::vector<int>& candidates, int count,
                                           const std::vector<double>& norms, int random_seeds, uint64_t seed);

}  // namespace vitrim::select
