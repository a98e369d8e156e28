#pragma once
// The window of a random resized crop.

#include "data/pixel_ops.h"
#include "vitrim/core/random.h"
#include "vitrim/data/augment.h"

namespace vitrim::data {

/// torchvision's choice: area uniform between the scales, ratio (width / height) log-uniform between the
/// ratios, sides rounded; after ten tries that do not fit, the largest centred window whose ratio is allowed.
Window random_window(int64_t height, int64_t width, const AugmentOptions& options, Random& random);

}  // namespace vitrim::data
