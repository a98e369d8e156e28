#pragma once
// Recognises a checkpoint of any origin: translates it into vitrim's spec and names.

#include <string>
#include <vector>

#include "vitrim/architecture/infer.h"
#include "vitrim/core/assumption.h"

namespace vitrim::architecture {

/// What a file holds, in vitrim's terms.
struct Recognised {
  ModelSpec spec;
  TensorTable tensors;              ///< under vitrim's names, derived from the file's tensors
  std::string names;                ///< name of the naming scheme of the file; empty: vitrim's own checkpoint
  bool foreign = false;             ///< the names were translated
  std::vector<std::string> said;    ///< for the user: which value was taken from which file
  std::vector<Assumption> assumed;  ///< values that no file states
};

/// Key of the metadata under which the caller keeps the prefix that it removed from the names of the weights.
inline constexpr const char* kPrefixKey = "weights.prefix";

/// Determines the architecture and the naming of a file's tensors. Reads config.json and
/// preprocessor_config.json in the folder of `file.path`, and warns once about all guessed values. Does not
/// check shapes against the spec. Throws FormatError if the architecture is unknown.
Recognised recognise(const TensorTable& file, const LoadHints& hints = {});

}  // namespace vitrim::architecture
