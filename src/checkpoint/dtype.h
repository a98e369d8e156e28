#pragma once
// Element types and their names in the two file formats.

#include <optional>
#include <string>
#include <string_view>

#include "vitrim/core/dtype.h"

namespace vitrim::checkpoint {

/// "F32" to DType::kF32, ...; empty if the name is unknown.
std::optional<DType> dtype_from_safetensors(std::string_view name);
/// DType::kF32 to "F32", ...; empty if safetensors files of vitrim do not contain the type.
std::string_view safetensors_name(DType dtype);
/// All these names, for messages: "F64, F32, ...".
std::string safetensors_names();

/// "FloatStorage" (of module torch or torch.cuda) to DType::kF32, ...
std::optional<DType> dtype_from_storage_class(std::string_view name);
/// "float32" (of module torch) to DType::kF32, ...
std::optional<DType> dtype_from_torch_name(std::string_view name);

}  // namespace vitrim::checkpoint
