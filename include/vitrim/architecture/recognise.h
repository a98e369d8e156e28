#pragma once
// From a checkpoint of anyone's to vitrim's spec and names.

#include <string>
#include <vector>

#include "vitrim/architecture/infer.h"
#include "vitrim/core/assumption.h"

namespace vitrim::architecture {

/// What a file holds, in vitrim's terms.
struct Recognised {
  ModelSpec spec;
  TensorTable tensors;              ///< under vitrim's names, made of the file's
  std::string names;                ///< whose names the file has; empty: vitrim's own checkpoint
  bool foreign = false;             ///< the names were translated
  std::vector<std::string> said;    ///< what was taken from where, for people
  std::vector<Assumption> assumed;  ///< what nothing said
};

/// The prefix that the weights had in the file, where whoever took it off keeps it among the metadata.
inline constexpr const char* kPrefixKey = "weights.prefix";

/// Tells architecture and names of a file's tensors; reads config.json and preprocessor_config.json beside
/// `file.path`; warns once of what had to be guessed. Shapes are not checked against the spec yet.
/// FormatError where it is no known architecture.
Recognised recognise(const TensorTable& file, const LoadHints& hints = {});

}  // namespace vitrim::architecture
