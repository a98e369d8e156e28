#include "vitrim/core/dtype.h"

namespace vitrim {

namespace {

struct Row {
  size_t bytes;
  bool floating;
  std::string_view name;
};

// In the order of the enumerators.
constexpr Row kRows[] = {
    {8, true, "float64"},     {4, true, "float32"}, {2, true, "float16"},    {2, true, "bfloat16"},
    {8, false, "int64"},      {4, false, "int32"},  {2, false, "int16"},     {1, false, "int8"},
    {1, false, "uint8"},      {1, false, "bool"},   {8, false, "complex64"}, {16, false, "complex128"},
    {2, false, "uint16"},     {4, false, "uint32"}, {8, false, "uint64"},    {1, true, "float8_e4m3fn"},
    {1, true, "float8_e5m2"},
};
static_assert(std::size(kRows) == static_cast<size_t>(DType::kF8E5M2) + 1);

const Row& row(DType dtype) { return kRows[static_cast<size_t>(dtype)]; }

}  // namespace

size_t item_size(DType dtype) { return row(dtype).bytes; }
bool is_floating_point(DType dtype) { return row(dtype).floating; }
std::string_view dtype_name(DType dtype) { return row(dtype).name; }

}  // namespace vitrim
