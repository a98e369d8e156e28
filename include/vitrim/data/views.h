#pragma once
// Views of unlabelled images: random crops, flips and colours, drawn anew for every pass over a data set.

#include "vitrim/data/augment.h"
#include "vitrim/data/loader.h"

namespace vitrim::data {

struct ViewOptions {
  LoadOptions load;        ///< which images, and what a view must fit
  AugmentOptions augment;  ///< how they are varied; random erasing is not part of a view
  uint64_t seed = 0;
  int64_t pass = 0;  ///< views of another pass are others
};

/// One view of every image, a function of seed, pass and the image's index alone. Throws as load_images().
ImageBatch load_views(const Dataset& dataset, const ViewOptions& options);

}  // namespace vitrim::data
