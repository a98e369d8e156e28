#pragma once
// Tensors over bytes of a file.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>

#include "checkpoint/mapped_file.h"

namespace vitrim::checkpoint {

/// More dimensions than this are refused: no weight has them, and LibTorch's kernels have limits of their
/// own.
inline constexpr size_t kMostDimensions = 32;

/// Elements in `shape`; nothing where a size is negative or the product, zeros counted as ones (LibTorch's
/// strides do that), is over 2^58.
std::optional<int64_t> element_count(at::IntArrayRef shape);

/// Elements from the first to the last that `shape` and `strides` reach, inclusive; 0 for no elements;
/// nothing where a stride is negative or the sum is over 2^58.
std::optional<int64_t> element_reach(at::IntArrayRef shape, at::IntArrayRef strides);

/// The same bytes at a multiple of `alignment` (16 at most): shared where they lie so already, else a copy.
Bytes aligned(Bytes bytes, size_t alignment);

/// A tensor over `bytes` from `offset` bytes on, which must cover its reach. Shares the memory, which lives
/// as long as the tensor; copies it where the address is not a multiple of the element's size (unaligned
/// loads are undefined). Throws FormatError, with `file` and `name`, where a BOOL byte is neither 0 nor 1
/// (undefined in C++ as well).
at::Tensor view_tensor(const Bytes& bytes, size_t offset, at::ScalarType dtype, at::IntArrayRef shape,
                       at::IntArrayRef strides, const std::string& file, const std::string& name);

/// Strides of a contiguous tensor.
std::vector<int64_t> contiguous_strides(at::IntArrayRef shape);

}  // namespace vitrim::checkpoint
