#pragma once
// Checks of image normalisation values.

#include <string>

#include "vitrim/core/model_spec.h"

namespace vitrim {

/// Why a normalisation can't be meant for pixels from 0 to 1, as one sentence with the remedy: a mean or
/// standard deviation above 1 is meant for pixels from 0 to 255. Empty if the values are plausible.
std::string wrong_units(const PreprocessSpec& preprocess);

}  // namespace vitrim
