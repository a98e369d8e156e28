#pragma once
// A checkpoint as LibTorch's tensors.

#include <ATen/core/Tensor.h>

#include <string>

#include "vitrim/checkpoint/tensor_view.h"
#include "vitrim/core/named_tensors.h"

namespace vitrim::model {

/// Named tensors in the file's order, with lookup by name. It converts to and from checkpoint::Checkpoint;
/// both share the memory, so never write into tensors of a file, whose mapping is read-only.
class StateDict : public NamedTensors<at::Tensor> {
 public:
  StateDict() = default;
  StateDict(const checkpoint::Checkpoint& file);  // NOLINT(google-explicit-constructor)
  /// Throws std::invalid_argument if a tensor is undefined, not dense or quantised.
  operator checkpoint::Checkpoint() const;  // NOLINT(google-explicit-constructor)
};

DType dtype_of(at::ScalarType type);
at::ScalarType scalar_type_of(DType dtype);

/// A checksum of 16 digits over every tensor with its name and dtype, and over `text`. It detects damage of a
/// file, not manipulation.
std::string checksum_of(const StateDict& state, const std::string& text);

/// Throws FormatError that lists every floating-point tensor with NaN or infinity; tensors may be on any
/// device.
void check_finite(const StateDict& state);

}  // namespace vitrim::model
