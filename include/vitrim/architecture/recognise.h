#pragma once
// From a checkpoint of anyone's to vitrim's spec and names.

#include <string>
#include <vector>

#include "vitrim/architecture/infer.h"

namespace vitrim::architecture {

/// What a file holds, in vitrim's terms.
struct Recognised {
  ModelSpec spec;
  TensorTable tensors;            ///< under vitrim's names, made of the file's
  std::string names;              ///< whose names the file has; empty: vitrim's own checkpoint
  bool foreign = false;           ///< the names were translated
  std::vector<std::string> said;  ///< what was taken from where, for people
};

/// Tells architecture and names of a file's tensors; reads config.json and preprocessor_config.json beside
/// `file.path`. Shapes are not checked against the spec yet. FormatError where it is no known architecture.
Recognised recognise(const TensorTable& file, const LoadHints& hints = {});

}  // namespace vitrim::architecture
