#pragma once
// Opens a checkpoint of any origin under vitrim's spec and names.

#include <string>
#include <vector>

#include "vitrim/architecture/infer.h"
#include "vitrim/model/loading.h"
#include "vitrim/model/state_dict.h"

namespace vitrim::model {

struct OpenedCheckpoint {
  ModelSpec spec;
  StateDict weights;     ///< under vitrim's names
  std::string names;     ///< name of the naming scheme of the file; empty: vitrim's own checkpoint
  bool foreign = false;  ///< the names were translated
  SpecSources sources;
};

/// Reads a checkpoint and the files in its folder, and warns once about all guessed values. With `new_head`,
/// a classifier that vitrim can't read is left out. Tensors are not checked against the spec (make_model()
/// does that).
OpenedCheckpoint open_checkpoint(const std::string& source, const architecture::LoadHints& hints,
                                 bool new_head = false);

}  // namespace vitrim::model
