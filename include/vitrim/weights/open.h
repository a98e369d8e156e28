#pragma once
// Opens a checkpoint of any origin under vitrim's spec and names, without LibTorch.

#include <string>
#include <vector>

#include "vitrim/architecture/infer.h"
#include "vitrim/checkpoint/tensor_view.h"
#include "vitrim/core/assumption.h"
#include "vitrim/core/model_spec.h"

namespace vitrim::weights {

struct Opened {
  ModelSpec spec;
  checkpoint::Checkpoint weights;   ///< under vitrim's names; they share the file's memory if possible
  std::string names;                ///< name of the naming scheme of the file; empty: vitrim's own checkpoint
  bool foreign = false;             ///< the names were translated
  std::vector<std::string> said;    ///< for the user: which value was taken from which file
  std::vector<Assumption> assumed;  ///< values that no file states
};

/// The tensors of a checkpoint that form the model, under the file's names without prefix and wrapper words:
/// the set that `hints.weights` names, else the one for inference. `said` (may be null) receives sentences
/// about what was used and what was ignored. Throws vitrim::Error if several sets fit.
checkpoint::Checkpoint read_weights(const std::string& source, const architecture::LoadHints& hints,
                                    std::vector<std::string>* said);

/// Reads a checkpoint (a file, an index of several files, a folder with either, or anything that
/// checkpoint::locate() finds for `source`) under the names of timm, transformers and others, and the
/// config.json and preprocessor_config.json in its folder: docs/checkpoints.md. `hints` take precedence over
/// the files. With `new_head`, a classifier that vitrim can't read is left out. Tensors are not checked
/// against the spec (parameters_of() does that).
Opened open(const std::string& source, const architecture::LoadHints& hints = {}, bool new_head = false);

/// The tensors of architecture::parameter_layout() in the form that an engine needs; position tables are
/// resized to the spec's map. Throws FormatError that lists every missing, surplus and misshaped tensor, and
/// those that are not finite.
checkpoint::Checkpoint parameters_of(const Opened& opened);

}  // namespace vitrim::weights
