#pragma once
// Checkpoints of NOSE's authors (github.com/sihaoevery/lambda_vit): in their models a block without attention
// doubles the stream.

#include <optional>
#include <vector>

#include "vitrim/architecture/tensor_info.h"

namespace vitrim::architecture {

/// Whether the file contains the arguments of the authors' training script. If so, blocks without attention
/// get a stream gain of 2, and the attention that the script lists as removed, but that its files still
/// contain, is removed from `state` (under vitrim's names). Throws FormatError if the attention was still
/// being diluted when the file was written.
bool read_nose_authors(TensorTable& state);

}  // namespace vitrim::architecture
