#pragma once
// Tensors that are there by mistake.

#include <optional>
#include <string>
#include <vector>

namespace vitrim::checkpoint {

/// A tensor that tells that a checkpoint must be finished by the program that wrote it: an adapter that is
/// not merged, a pruning mask, a parametrisation, a quantised layer, an optimiser's state, ...
struct MistakenTensor {
  std::string name;
  std::string what;   ///< what it means and the remedy; goes after "this tensor "
  bool head = false;  ///< it belongs to a classifier: a new one takes its place
};

/// The first such tensor among a model's names; nothing where there is none.
std::optional<MistakenTensor> mistaken_tensor(const std::vector<std::string>& names);

}  // namespace vitrim::checkpoint
