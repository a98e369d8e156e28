#pragma once
// Files of NOSE's own authors (github.com/sihaoevery/lambda_vit): in their models a block without attention
// doubles the stream.

#include <optional>
#include <vector>

#include "vitrim/architecture/tensor_info.h"

namespace vitrim::architecture {

/// Whether the file holds the arguments of the authors' training script; then blocks without attention have a
/// stream gain of 2, and the attention that the script names as removed, which its files still hold, is taken
/// out of `state` (under vitrim's names). FormatError where the attention was still being diluted when the
/// file was written.
bool read_nose_authors(TensorTable& state);

}  // namespace vitrim::architecture
