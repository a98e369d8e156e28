#pragma once
// The published architectures, one list per kind of model.

#include <map>
#include <string>

#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

void add_known_vits(std::map<std::string, ModelSpec>& out);
void add_known_stages(std::map<std::string, ModelSpec>& out);

/// ImageNet's mean and standard deviation; the crop is the model's input and the resize 10/9 of it (at 384
/// px: equal to it); bicubic.
PreprocessSpec imagenet_preprocess(int64_t image_size);

}  // namespace vitrim::architecture
