#pragma once
// Colours as augmentation varies them.

#include "vitrim/core/random.h"
#include "vitrim/data/dataset.h"

namespace vitrim::data {

/// Brightness, contrast and saturation, each by a factor uniform in [max(0, 1 - jitter), 1 + jitter], in
/// random order.
void jitter_colors(Image& image, double jitter, Random& random);

}  // namespace vitrim::data
