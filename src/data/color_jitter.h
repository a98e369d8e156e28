#pragma once
// Colour jitter for augmentation.

#include "vitrim/core/random.h"
#include "vitrim/data/dataset.h"

namespace vitrim::data {

/// Changes brightness, contrast and saturation in random order, each by a factor uniform in [max(0, 1 -
/// jitter), 1 + jitter].
void jitter_colors(Image& image, double jitter, Random& random);

}  // namespace vitrim::data
