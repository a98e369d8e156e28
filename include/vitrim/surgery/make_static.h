#pragma once
// Putting static attention (model/static_attention.h) in the place of attention layers.

#include <vector>

#include "vitrim/surgery/remove_attention.h"

namespace vitrim::surgery {

/// The named blocks with AttentionKind::kStatic and filters of `filter` x `filter` tokens. Norm, values, last
/// projection and layer scale stay as they are, queries and keys go; every token takes the mean of the map
/// (attention that is the same everywhere), so that a fit has a beginning (absorb::absorb). Throws
/// std::invalid_argument on an index that does not exist, repeats, has no attention or static attention
/// already, or reads its values from a smaller map (sr_ratio > 1), and on an even filter.
SpecAndWeights make_static(const SpecAndWeights& model, const std::vector<int>& layers, int64_t filter = 3);
/// The layers that it does not refuse.
std::vector<int> layers_to_fix(const ModelSpec& spec);
/// The spec alone.
ModelSpec make_static(const ModelSpec& spec, const std::vector<int>& layers, int64_t filter = 3);

}  // namespace vitrim::surgery
