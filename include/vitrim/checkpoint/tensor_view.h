#pragma once
// Tensors as they are stored in a file: bytes, dtype, shape and strides. Does not use LibTorch.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "vitrim/core/dtype.h"
#include "vitrim/core/named_tensors.h"

namespace vitrim::checkpoint {

/// A read-only tensor in memory that another object owns, usually a mapped file. Copies share the memory.
struct TensorView {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape, strides;  ///< strides in elements, none negative
  const uint8_t* data = nullptr;        ///< address of the first element, aligned to the element's size
  std::shared_ptr<const void> owner;    ///< keeps `data` alive

  int64_t dim() const { return static_cast<int64_t>(shape.size()); }
  int64_t size(int64_t d) const { return shape[static_cast<size_t>(d)]; }
  int64_t numel() const;
  /// Size of all elements in bytes, each counted once.
  size_t nbytes() const { return static_cast<size_t>(numel()) * item_size(dtype); }
  bool is_contiguous() const;
};

/// Strides of a contiguous tensor.
std::vector<int64_t> contiguous_strides(const std::vector<int64_t>& shape);
/// The same values contiguously; `tensor` itself if it is contiguous.
TensorView contiguous(const TensorView& tensor);
/// A contiguous float32 tensor that owns its values.
TensorView view_of(std::vector<float> values, std::vector<int64_t> shape);
/// Writes all values as float32 to `out`, in row-major order. Throws std::invalid_argument for complex
/// numbers.
void read_floats(const TensorView& tensor, float* out);
std::vector<float> floats_of(const TensorView& tensor);

/// What a checkpoint file holds.
using Checkpoint = NamedTensors<TensorView>;

}  // namespace vitrim::checkpoint
