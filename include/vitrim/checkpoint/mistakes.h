#pragma once
// Tensors that show that a checkpoint is not finished.

#include <optional>
#include <string>
#include <vector>

namespace vitrim::checkpoint {

/// A tensor that shows that a checkpoint must first be finished by the program that wrote it: an adapter that
/// is not merged, a pruning mask, a parametrisation, a quantised layer, an optimiser's state, ...
struct MistakenTensor {
  std::string name;
  std::string what;   ///< what the tensor means and the remedy; follows "this tensor " in the message
  bool head = false;  ///< the tensor belongs to a classifier, which a new head replaces
};

/// The first such tensor among a model's names; empty if there is none.
std::optional<MistakenTensor> mistaken_tensor(const std::vector<std::string>& names);

}  // namespace vitrim::checkpoint
