#include "vitrim/model/floats.h"

#include <ATen/ATen.h>

#include <stdexcept>

namespace vitrim::model {

std::span<float> writable_floats_of(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.scalar_type() != at::kFloat || !tensor.is_cpu() || !tensor.is_contiguous())
    throw std::invalid_argument("[model::floats_of] a contiguous float32 tensor in main memory is needed");
  return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

std::span<const float> floats_of(const at::Tensor& tensor) { return writable_floats_of(tensor); }

}  // namespace vitrim::model
