#pragma once
// Converts between LibTorch's tensors and the descriptions of tensors in module architecture.

#include "vitrim/architecture/tensor_info.h"
#include "vitrim/model/state_dict.h"

namespace vitrim::model {

/// Names, dtypes and shapes of a file's tensors, and its path and metadata.
architecture::TensorTable describe(const StateDict& file);
/// Computes the values of `tensors` from those of `file`.
StateDict derive(const architecture::TensorTable& tensors, const StateDict& file);

}  // namespace vitrim::model
