#include "checkpoint/dtype.h"

namespace vitrim::checkpoint {
namespace {

struct Row {
  DType dtype;
  std::string_view safetensors;  ///< empty: not in safetensors files
  std::string_view storage;      ///< empty: torch has no typed storage class for it
};

constexpr Row kTable[] = {
    {DType::kF64, "F64", "DoubleStorage"},
    {DType::kF32, "F32", "FloatStorage"},
    {DType::kF16, "F16", "HalfStorage"},
    {DType::kBF16, "BF16", "BFloat16Storage"},
    {DType::kI64, "I64", "LongStorage"},
    {DType::kI32, "I32", "IntStorage"},
    {DType::kI16, "I16", "ShortStorage"},
    {DType::kI8, "I8", "CharStorage"},
    {DType::kU8, "U8", "ByteStorage"},
    {DType::kBool, "BOOL", "BoolStorage"},
    {DType::kComplex64, "", "ComplexFloatStorage"},
    {DType::kComplex128, "", "ComplexDoubleStorage"},
    {DType::kU16, "", ""},
    {DType::kU32, "", ""},
    {DType::kU64, "", ""},
    {DType::kF8E4M3, "", ""},
    {DType::kF8E5M2, "", ""},
};

std::optional<DType> find(std::string_view Row::* column, std::string_view name) {
  if (name.empty()) return std::nullopt;
  for (const Row& row : kTable)
    if (row.*column == name) return row.dtype;
  return std::nullopt;
}

}  // namespace

std::optional<DType> dtype_from_safetensors(std::string_view name) { return find(&Row::safetensors, name); }
std::optional<DType> dtype_from_storage_class(std::string_view name) { return find(&Row::storage, name); }
std::optional<DType> dtype_from_torch_name(std::string_view name) {
  for (const Row& row : kTable)
    if (dtype_name(row.dtype) == name) return row.dtype;
  return std::nullopt;
}

std::string_view safetensors_name(DType dtype) {
  for (const Row& row : kTable)
    if (row.dtype == dtype) return row.safetensors;
  return {};
}

std::string safetensors_names() {
  std::string names;
  for (const Row& row : kTable)
    if (!row.safetensors.empty()) names += (names.empty() ? "" : ", ") + std::string(row.safetensors);
  return names;
}

}  // namespace vitrim::checkpoint
