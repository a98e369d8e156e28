#include "pipeline/subset.h"

namespace vitrim::pipeline {

data::ImageBatch subset(const data::ImageBatch& images, int64_t count) {
  if (count <= 0 || count >= images.size()) return images;
  return data::select_images(images, data::spread_indices(images.size(), count));
}

}  // namespace vitrim::pipeline
