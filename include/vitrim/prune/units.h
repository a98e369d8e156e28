#pragma once
// The units of channel pruning. A unit is one group of channels of one block. All heads of a unit keep the
// same width; different units may keep different widths.

#include <string>
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

/// The kinds of channels that are pruned.
enum class Scope { kAttention, kAttentionAndMlp, kMlp };
/// "attention", "attention+mlp", "mlp".
const std::vector<std::string>& scope_names();
/// Throws std::invalid_argument, with the nearest name, on any other name.
Scope parse_scope(const std::string& name);
std::string to_string(Scope scope);

/// All prunable units of a model, from the first block upwards. Throws std::invalid_argument if there are
/// none.
std::vector<Unit> units_of(const ModelSpec& spec, Scope scope);

/// The spec with these widths per head, one per unit.
ModelSpec with_widths(const ModelSpec& spec, const std::vector<Unit>& units,
                      const std::vector<int64_t>& widths);

/// Converts factors, one tensor [heads, width] per unit, into gates of the model's blocks.
std::vector<model::ChannelGates> as_gates(const ModelSpec& spec, const std::vector<Unit>& units,
                                          const std::vector<at::Tensor>& factors);

}  // namespace vitrim::prune
