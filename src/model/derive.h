#pragma once
// Between LibTorch's tensors and the tensor-free descriptions that module architecture works with.

#include "vitrim/architecture/tensor_info.h"
#include "vitrim/checkpoint/state_dict.h"

namespace vitrim::model {

/// Names, dtypes and shapes of a file's tensors, and its path and metadata.
architecture::TensorTable describe(const checkpoint::StateDict& file);
/// The values of `tensors`, made of those of `file`.
checkpoint::StateDict derive(const architecture::TensorTable& tensors, const checkpoint::StateDict& file);

}  // namespace vitrim::model
