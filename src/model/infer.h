#pragma once
// Reading architectures off the names and shapes of tensors: the shared pieces, and one function a family.

#include <optional>
#include <string>

#include "vitrim/model/loading.h"

namespace vitrim::model {

/// The first of these keys in the file's metadata, else empty.
std::string metadata_value(const checkpoint::StateDict& state, std::initializer_list<const char*> keys);
std::optional<double> as_number(const std::string& text);
/// FormatError at `where` of the file.
[[noreturn]] void refuse(const checkpoint::StateDict& state, const std::string& where,
                         const std::string& what);
/// A tensor that must be there, with so many dimensions, none of them empty.
const at::Tensor& need(const checkpoint::StateDict& state, const std::string& name, int64_t dims);
/// Preprocessing from metadata (mean, std, resize, interpolation); the rest as timm's models have it.
std::optional<PreprocessSpec> infer_preprocess(const checkpoint::StateDict& state, int64_t image_size);
/// What follows from the image size beside the maps: Swin's shifts, the stripes of CSwin's softmax stages
/// where they were a 32nd of the side `before`.
void follow_image_size(ModelSpec& spec, int64_t before);
/// The spec at another image size: preprocessing takes the same share of the image.
void resize(ModelSpec& spec, int64_t image_size);
/// Side of a square with so many tokens; 0 where there is none.
int64_t side_of(int64_t tokens);
/// How many of `prefix`0`suffix`, `prefix`1`suffix`, ... hold any tensor.
int64_t count_numbered(const checkpoint::StateDict& state, const std::string& prefix,
                       const std::string& suffix, int64_t first = 0);

std::optional<ModelSpec> infer_vit(const checkpoint::StateDict& state, const LoadHints& hints);
std::optional<ModelSpec> infer_swin(const checkpoint::StateDict& state, const LoadHints& hints, bool flatten);
std::optional<ModelSpec> infer_pvt(const checkpoint::StateDict& state, const LoadHints& hints, bool second);
std::optional<ModelSpec> infer_cswin(const checkpoint::StateDict& state, const LoadHints& hints);

}  // namespace vitrim::model
