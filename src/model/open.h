#pragma once
// From a checkpoint of anyone's to vitrim's spec and names.

#include <string>
#include <vector>

#include "vitrim/checkpoint/state_dict.h"
#include "vitrim/model/loading.h"

namespace vitrim::model {

struct OpenedCheckpoint {
  ModelSpec spec;
  checkpoint::StateDict weights;  ///< under vitrim's names
  std::string names;              ///< whose names the file has; empty: vitrim's own checkpoint
  bool foreign = false;           ///< the names were translated
  std::vector<std::string> said;  ///< what was taken from where, for people
};

/// Reads a checkpoint and the files beside it. Tensors are not checked against the spec yet (make_model
/// does).
OpenedCheckpoint open_checkpoint(const std::string& source, const LoadHints& hints);

}  // namespace vitrim::model
