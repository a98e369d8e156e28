#pragma once
// Between LibTorch's tensors and the tensor-free descriptions that module architecture works with.

#include "vitrim/architecture/tensor_info.h"
#include "vitrim/model/state_dict.h"

namespace vitrim::model {

/// Names, dtypes and shapes of a file's tensors, and its path and metadata.
architecture::TensorTable describe(const StateDict& file);
/// The values of `tensors`, made of those of `file`.
StateDict derive(const architecture::TensorTable& tensors, const StateDict& file);

}  // namespace vitrim::model
