#pragma once
// Tensors over bytes of a file, and the arithmetic that keeps them within the file.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/mapped_file.h"
#include "vitrim/checkpoint/tensor_view.h"

namespace vitrim::checkpoint {

/// The largest number of dimensions. No weight has more, and LibTorch's kernels have limits.
inline constexpr size_t kMostDimensions = 32;

/// The number of elements in `shape`; empty if a size is negative, or if the product is above 2^58. In that
/// product zeros count as ones, as in LibTorch's strides.
std::optional<int64_t> element_count(const std::vector<int64_t>& shape);

/// The number of elements from the first to the last that `shape` and `strides` reach, inclusive; 0 if there
/// are no elements; empty if a stride is negative or the sum is above 2^58.
std::optional<int64_t> element_reach(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides);

/// The same bytes at an address that is a multiple of `alignment` (16 at most): shared if they are aligned
/// already, else a copy.
Bytes aligned(Bytes bytes, size_t alignment);

/// `tensor` (its dtype, shape and strides) over `bytes` from `offset` bytes on, which must cover its reach.
/// Shares the memory and keeps it alive; copies it if the address is not a multiple of the element's size
/// (unaligned loads are undefined behaviour). Throws FormatError, with `file` and `name`, if a BOOL byte is
/// neither 0 nor 1 (undefined behaviour in C++ too).
TensorView view_bytes(const Bytes& bytes, size_t offset, TensorView tensor, const std::string& file,
                      const std::string& name);

}  // namespace vitrim::checkpoint
