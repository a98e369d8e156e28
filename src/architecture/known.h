#pragma once
// The published architectures, a list a kind of model.

#include <map>
#include <string>

#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

void add_known_vits(std::map<std::string, ModelSpec>& out);
void add_known_stages(std::map<std::string, ModelSpec>& out);

/// ImageNet's mean and deviation, the whole input out of 10/9 of it (at 384 px: all of it), bicubic.
PreprocessSpec imagenet_preprocess(int64_t image_size);

}  // namespace vitrim::architecture
