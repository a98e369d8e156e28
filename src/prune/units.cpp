#include "vitrim/prune/units.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <stdexcept>

#include "vitrim/architecture/channels.h"
#include "vitrim/core/suggest.h"

namespace vitrim::prune {

using architecture::ChannelGroup;

const std::vector<std::string>& scope_names() {
  static const std::vector<std::string> kNames = {"attention", "attention+mlp",
                                                  "mlp"};  // in the order of the enum
  return kNames;
}

Scope parse_scope(const std::string& name) {
  const std::vector<std::string>& names = scope_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<Scope>(found - names.begin());
  throw std::invalid_argument("scope must be attention, attention+mlp or mlp, not '" + name +
                              "'; did you mean '" + nearest(name, names) + "'?");
}

std::string to_string(Scope scope) { return scope_names()[static_cast<size_t>(scope)]; }

namespace {

int64_t& width_of(BlockSpec& block, ChannelGroup group) {
  switch (group) {
    case ChannelGroup::kQk:
      return block.qk_dim;
    case ChannelGroup::kV:
      return block.v_dim;
    case ChannelGroup::kMlp:
      break;
  }
  return block.mlp_dim;
}

}  // namespace

std::vector<Unit> units_of(const ModelSpec& spec, Scope scope) {
  std::vector<Unit> units;
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    for (ChannelGroup group : {ChannelGroup::kQk, ChannelGroup::kV, ChannelGroup::kMlp}) {
      const bool mlp = group == ChannelGroup::kMlp;
      if (mlp ? scope == Scope::kAttention : scope == Scope::kMlp) continue;
      if (!architecture::can_prune(spec, i, group)) continue;
      BlockSpec block = spec.blocks[static_cast<size_t>(i)];
      units.push_back({i, group, group == ChannelGroup::kMlp ? 1 : block.num_heads, width_of(block, group)});
    }
  }
  if (units.empty())
    throw std::invalid_argument("[prune::units_of] the model has no channels that can be pruned");
  return units;
}

ModelSpec with_widths(const ModelSpec& spec, const std::vector<Unit>& units,
                      const std::vector<int64_t>& widths) {
  ModelSpec out = spec;
  for (size_t u = 0; u < units.size(); ++u)
    width_of(out.blocks[static_cast<size_t>(units[u].block)], units[u].group) = widths[u];
  return out;
}

std::vector<model::ChannelGates> as_gates(const ModelSpec& spec, const std::vector<Unit>& units,
                                          const std::vector<at::Tensor>& factors) {
  std::vector<model::ChannelGates> gates(spec.blocks.size());
  for (size_t u = 0; u < units.size(); ++u) {
    model::ChannelGates& gate = gates[static_cast<size_t>(units[u].block)];
    switch (units[u].group) {
      case ChannelGroup::kQk:
        gate.qk = factors[u];
        break;
      case ChannelGroup::kV:
        gate.v = factors[u];
        break;
      case ChannelGroup::kMlp:
        gate.mlp = factors[u].flatten();
        break;
    }
  }
  return gates;
}

}  // namespace vitrim::prune
