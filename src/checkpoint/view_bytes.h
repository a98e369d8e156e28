#pragma once
// Tensors over bytes of a file, and the arithmetic that keeps them inside.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/mapped_file.h"
#include "vitrim/checkpoint/tensor_view.h"

namespace vitrim::checkpoint {

/// More dimensions than this are refused: no weight has them, and LibTorch's kernels have limits of their
/// own.
inline constexpr size_t kMostDimensions = 32;

/// Elements in `shape`; nothing where a size is negative or the product, zeros counted as ones (LibTorch's
/// strides do that), is over 2^58.
std::optional<int64_t> element_count(const std::vector<int64_t>& shape);

/// Elements from the first to the last that `shape` and `strides` reach, inclusive; 0 for no elements;
/// nothing where a stride is negative or the sum is over 2^58.
std::optional<int64_t> element_reach(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides);

/// The same bytes at a multiple of `alignment` (16 at most): shared where they lie so already, else a copy.
Bytes aligned(Bytes bytes, size_t alignment);

/// `tensor` (its dtype, shape and strides) over `bytes` from `offset` bytes on, which must cover its reach.
/// Shares the memory, which lives as long as the tensor; copies it where the address is not a multiple of the
/// element's size (unaligned loads are undefined). Throws FormatError, with `file` and `name`, where a BOOL
/// byte is neither 0 nor 1 (undefined in C++ as well).
TensorView view_bytes(const Bytes& bytes, size_t offset, TensorView tensor, const std::string& file,
                      const std::string& name);

}  // namespace vitrim::checkpoint
