#pragma once
// The values of a tensor as a span of floats.

#include <ATen/core/Tensor.h>

#include <span>

namespace vitrim::model {

/// The values of the tensor, without a copy, in row-major order. Throws std::invalid_argument unless the
/// tensor is float32, contiguous and in main memory. The tensor must outlive the span.
std::span<const float> floats_of(const at::Tensor& tensor);
/// The same, writable.
std::span<float> writable_floats_of(const at::Tensor& tensor);

}  // namespace vitrim::model
