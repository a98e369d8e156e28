#pragma once
// Element types and what the two file formats call them.

#include <c10/core/ScalarType.h>

#include <optional>
#include <string>
#include <string_view>

namespace vitrim::checkpoint {

/// "F32" to at::kFloat, ...; nothing where vitrim does not know the name.
std::optional<at::ScalarType> dtype_from_safetensors(std::string_view name);
/// at::kFloat to "F32", ...; empty where safetensors files written by vitrim don't hold the type.
std::string_view safetensors_name(at::ScalarType dtype);
/// All names above, for messages: "F64, F32, ...".
std::string safetensors_names();

/// "FloatStorage" (of module torch or torch.cuda) to at::kFloat, ...
std::optional<at::ScalarType> dtype_from_storage_class(std::string_view name);
/// "float32" (of module torch) to at::kFloat, ...
std::optional<at::ScalarType> dtype_from_torch_name(std::string_view name);

}  // namespace vitrim::checkpoint
