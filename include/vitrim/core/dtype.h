#pragma once
// Element types of tensors in checkpoints.

#include <cstddef>
#include <string_view>

namespace vitrim {

enum class DType {
  kF64,
  kF32,
  kF16,
  kBF16,
  kI64,
  kI32,
  kI16,
  kI8,
  kU8,
  kBool,
  kComplex64,
  kComplex128,
  kU16,
  kU32,
  kU64,
  kF8E4M3,
  kF8E5M2,
};

/// Bytes of one element.
size_t item_size(DType dtype);
/// Whether the elements are real floating-point numbers, of any width.
bool is_floating_point(DType dtype);
/// "float32", "bfloat16", "int64", ...: PyTorch's names.
std::string_view dtype_name(DType dtype);

}  // namespace vitrim
