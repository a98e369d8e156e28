#pragma once
// From a checkpoint of anyone's to vitrim's spec and names, without LibTorch.

#include <string>
#include <vector>

#include "vitrim/architecture/infer.h"
#include "vitrim/checkpoint/tensor_view.h"
#include "vitrim/core/assumption.h"
#include "vitrim/core/model_spec.h"

namespace vitrim::weights {

struct Opened {
  ModelSpec spec;
  checkpoint::Checkpoint weights;   ///< under vitrim's names, sharing the file's memory where they can
  std::string names;                ///< whose names the file has; empty: vitrim's own checkpoint
  bool foreign = false;             ///< the names were translated
  std::vector<std::string> said;    ///< what was taken from where, for people
  std::vector<Assumption> assumed;  ///< what nothing says
};

/// The tensors of a checkpoint that are the model, under the file's names less prefix and wrapper words: what
/// `hints.weights` names, else what inference takes. `said` (may be null) takes in words what was taken and
/// left. Throws vitrim::Error where several sets fit.
checkpoint::Checkpoint read_weights(const std::string& source, const architecture::LoadHints& hints,
                                    std::vector<std::string>* said);

/// Reads a checkpoint (a file, an index of several, a folder that holds either, or what checkpoint::locate()
/// makes of `source`; timm's, transformers' and others' names) and the config.json and
/// preprocessor_config.json beside it: docs/checkpoints.md. `hints` go before what files say. With `new_head`
/// a classifier that vitrim can't read is left out. Tensors are not checked against the spec yet
/// (parameters_of() does).
Opened open(const std::string& source, const architecture::LoadHints& hints = {}, bool new_head = false);

/// The tensors of architecture::parameter_layout(), as an engine takes them: position tables fit the spec's
/// map. Throws FormatError that lists every missing, surplus and misshaped tensor, and those that are not
/// finite.
checkpoint::Checkpoint parameters_of(const Opened& opened);

}  // namespace vitrim::weights
