#pragma once
// Chooses the window of a random resized crop.

#include "data/pixel_ops.h"
#include "vitrim/core/random.h"
#include "vitrim/data/augment.h"

namespace vitrim::data {

/// torchvision's rule: the area is uniform between the scales, the ratio (width / height) log-uniform between
/// the ratios, and sides are rounded. After ten tries that do not fit, it is the largest centred window with
/// an allowed ratio.
Window random_window(int64_t height, int64_t width, const AugmentOptions& options, Random& random);

}  // namespace vitrim::data
