#include "checkpoint/dtype.h"

namespace vitrim::checkpoint {
namespace {

struct Row {
  at::ScalarType dtype;
  std::string_view safetensors;  ///< empty: not in safetensors files
  std::string_view storage;      ///< empty: torch has no typed storage class for it
  std::string_view torch;
};

constexpr Row kTable[] = {
    {at::kDouble, "F64", "DoubleStorage", "float64"},
    {at::kFloat, "F32", "FloatStorage", "float32"},
    {at::kHalf, "F16", "HalfStorage", "float16"},
    {at::kBFloat16, "BF16", "BFloat16Storage", "bfloat16"},
    {at::kLong, "I64", "LongStorage", "int64"},
    {at::kInt, "I32", "IntStorage", "int32"},
    {at::kShort, "I16", "ShortStorage", "int16"},
    {at::kChar, "I8", "CharStorage", "int8"},
    {at::kByte, "U8", "ByteStorage", "uint8"},
    {at::kBool, "BOOL", "BoolStorage", "bool"},
    {at::kComplexFloat, "", "ComplexFloatStorage", "complex64"},
    {at::kComplexDouble, "", "ComplexDoubleStorage", "complex128"},
    {at::kUInt16, "", "", "uint16"},
    {at::kUInt32, "", "", "uint32"},
    {at::kUInt64, "", "", "uint64"},
    {at::kFloat8_e4m3fn, "", "", "float8_e4m3fn"},
    {at::kFloat8_e5m2, "", "", "float8_e5m2"},
};

std::optional<at::ScalarType> find(std::string_view Row::* column, std::string_view name) {
  if (name.empty()) return std::nullopt;
  for (const Row& row : kTable)
    if (row.*column == name) return row.dtype;
  return std::nullopt;
}

}  // namespace

std::optional<at::ScalarType> dtype_from_safetensors(std::string_view name) {
  return find(&Row::safetensors, name);
}
std::optional<at::ScalarType> dtype_from_storage_class(std::string_view name) {
  return find(&Row::storage, name);
}
std::optional<at::ScalarType> dtype_from_torch_name(std::string_view name) { return find(&Row::torch, name); }

std::string_view safetensors_name(at::ScalarType dtype) {
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
