#pragma once
// A tensor's values as plain memory whose size is known.

#include <ATen/core/Tensor.h>

#include <span>

namespace vitrim::model {

/// The values where they lie, in the tensor's order. Throws std::invalid_argument unless it is float32,
/// contiguous and in main memory. The tensor must outlive the span.
std::span<const float> floats_of(const at::Tensor& tensor);
/// The same, to write into.
std::span<float> writable_floats_of(const at::Tensor& tensor);

}  // namespace vitrim::model
