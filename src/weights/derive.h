#pragma once
// Tensors that have to be made of a file's, without LibTorch.

#include "vitrim/architecture/tensor_info.h"
#include "vitrim/checkpoint/tensor_view.h"

namespace vitrim::weights {

/// Names, dtypes and shapes of a file's tensors, and its path and metadata.
architecture::TensorTable describe(const checkpoint::Checkpoint& file);
/// The values of `tensors`, made of those of `file`; what the file has as it is shares its memory.
checkpoint::Checkpoint derive(const architecture::TensorTable& tensors, const checkpoint::Checkpoint& file);

}  // namespace vitrim::weights
