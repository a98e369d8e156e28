#pragma once
// Replaces attention layers by static attention (model/static_attention.h).

#include <vector>

#include "vitrim/surgery/remove_attention.h"

namespace vitrim::surgery {

/// Gives the blocks `layers` AttentionKind::kStatic with filters of `filter` x `filter` tokens. Norm, values,
/// last projection and layer scale do not change; queries and keys are removed. Every token takes the mean of
/// the map (uniform attention) as the starting point of a fit (absorb::absorb). Throws std::invalid_argument
/// on an index that does not exist, repeats, has no attention or already has static attention, or reads its
/// values from a smaller map (sr_ratio > 1), and on an even filter.
SpecAndWeights make_static(const SpecAndWeights& model, const std::vector<int>& layers, int64_t filter = 3);
/// The layers that make_static() accepts.
std::vector<int> layers_to_fix(const ModelSpec& spec);
/// The same for the spec only.
ModelSpec make_static(const ModelSpec& spec, const std::vector<int>& layers, int64_t filter = 3);

}  // namespace vitrim::surgery
