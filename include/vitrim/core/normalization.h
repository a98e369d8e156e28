#pragma once
// What the normalisation of images can be.

#include <string>

#include "vitrim/core/model_spec.h"

namespace vitrim {

/// Why a normalisation cannot be one of pixels from 0 to 1, as one sentence with the remedy: a mean or a
/// deviation above 1 is of pixels from 0 to 255. Empty where it can be one.
std::string wrong_units(const PreprocessSpec& preprocess);

}  // namespace vitrim
