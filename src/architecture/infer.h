#pragma once
// Reading architectures off the names and shapes of tensors: the shared pieces, and one function a family.

#include <initializer_list>
#include <optional>
#include <string>

#include "vitrim/architecture/infer.h"

namespace vitrim::architecture {

/// The first of these keys in the file's metadata, else empty.
std::string metadata_value(const TensorTable& state, std::initializer_list<const char*> keys);
std::optional<double> as_number(const std::string& text);
/// FormatError at `where` of the file.
[[noreturn]] void refuse(const TensorTable& state, const std::string& where, const std::string& what);
/// A tensor that must be there, with so many dimensions, none of them empty.
const TensorInfo& need(const TensorTable& state, const std::string& name, int64_t dims);
/// Preprocessing from metadata (mean, std, resize, interpolation); the rest as timm's models have it.
std::optional<PreprocessSpec> infer_preprocess(const TensorTable& state, int64_t image_size);
/// Side of a square with so many tokens; 0 where there is none.
int64_t side_of(int64_t tokens);
/// How many of `prefix`0`suffix`, `prefix`1`suffix`, ... hold any tensor.
int64_t count_numbered(const TensorTable& state, const std::string& prefix, const std::string& suffix,
                       int64_t first = 0);

std::optional<ModelSpec> infer_vit(const TensorTable& state, const LoadHints& hints);
std::optional<ModelSpec> infer_swin(const TensorTable& state, const LoadHints& hints, bool flatten);
std::optional<ModelSpec> infer_pvt(const TensorTable& state, const LoadHints& hints, bool second);
std::optional<ModelSpec> infer_cswin(const TensorTable& state, const LoadHints& hints);

}  // namespace vitrim::architecture
