#pragma once
// A checkpoint as LibTorch's tensors.

#include <ATen/core/Tensor.h>

#include <string>

#include "vitrim/checkpoint/tensor_view.h"
#include "vitrim/core/named_tensors.h"

namespace vitrim::model {

/// Named tensors in the file's order, with lookup by name. It turns into what module checkpoint reads and
/// writes and back; memory is shared both ways (never write into tensors of a file, whose mapping is
/// read-only).
class StateDict : public NamedTensors<at::Tensor> {
 public:
  StateDict() = default;
  StateDict(const checkpoint::Checkpoint& file);  // NOLINT(google-explicit-constructor)
  /// Throws std::invalid_argument where a tensor is undefined, not dense or quantised.
  operator checkpoint::Checkpoint() const;  // NOLINT(google-explicit-constructor)
};

DType dtype_of(at::ScalarType type);
at::ScalarType scalar_type_of(DType dtype);

/// Of every tensor with its name and kind, and of a text: finds damage in a file, not malice. 16 digits.
std::string checksum_of(const StateDict& state, const std::string& text);

/// Throws FormatError listing every floating tensor that holds NaN or infinity; on any device.
void check_finite(const StateDict& state);

}  // namespace vitrim::model
