#pragma once
// The units of channel pruning: one group of channels of one block. Heads of a unit always end with the same
// width; units differ.

#include <vector>

#include "vitrim/architecture/channels.h"
#include "vitrim/model/model.h"

namespace vitrim::prune {

struct Unit {
  int block = 0;
  architecture::ChannelGroup group = architecture::ChannelGroup::kQk;
  int64_t heads = 1;  ///< 1 for the MLP
  int64_t width = 0;  ///< channels of one head, dense
};

enum class Scope { kAttention, kAttentionAndMlp, kMlp };

/// All units of a model that can be pruned, from the bottom up. Throws std::invalid_argument where there is
/// none.
std::vector<Unit> units_of(const ModelSpec& spec, Scope scope);

/// The spec with these widths per head, one a unit.
ModelSpec with_widths(const ModelSpec& spec, const std::vector<Unit>& units,
                      const std::vector<int64_t>& widths);

/// One tensor [heads, width] a unit, as gates of the model's blocks.
std::vector<model::ChannelGates> as_gates(const ModelSpec& spec, const std::vector<Unit>& units,
                                          const std::vector<at::Tensor>& factors);

}  // namespace vitrim::prune
