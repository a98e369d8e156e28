#pragma once
// Augmented views of unlabelled images (random crops, flips, colours), drawn again for every pass over a data
// set.

#include "vitrim/data/augment.h"
#include "vitrim/data/loader.h"

namespace vitrim::data {

struct ViewOptions {
  LoadOptions load;        ///< which images to load, and the size of a view
  AugmentOptions augment;  ///< how images are augmented; random erasing is not applied
  uint64_t seed = 0;
  int64_t pass = 0;  ///< index of the pass; every pass has other views
};

/// Loads one view of every image. A view is a function of seed, pass and the image's index only. Throws as
/// load_images() does.
ImageBatch load_views(const Dataset& dataset, const ViewOptions& options);

}  // namespace vitrim::data
