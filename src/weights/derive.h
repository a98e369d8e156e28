#pragma once
// Derives tensors from those of a file, without LibTorch.

#include "vitrim/architecture/tensor_info.h"
#include "vitrim/checkpoint/tensor_view.h"

namespace vitrim::weights {

/// Names, dtypes and shapes of a file's tensors, and its path and metadata.
architecture::TensorTable describe(const checkpoint::Checkpoint& file);
/// Computes the values of `tensors` from those of `file`; tensors that the file contains unchanged share its
/// memory.
checkpoint::Checkpoint derive(const architecture::TensorTable& tensors, const checkpoint::Checkpoint& file);

}  // namespace vitrim::weights
