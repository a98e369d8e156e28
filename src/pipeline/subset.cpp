#include "pipeline/subset.h"

#include <ATen/ATen.h>

namespace vitrim::pipeline {

data::ImageBatch subset(const data::ImageBatch& images, int64_t count) {
  if (count <= 0 || count >= images.size()) return images;
  data::ImageBatch out = images;
  const std::vector<int64_t> indices = data::spread_indices(images.size(), count);
  out.pixels = images.pixels.index_select(0, at::tensor(indices, at::kLong));
  out.labels.clear();
  out.names.clear();
  for (int64_t i : indices) {
    out.labels.push_back(images.labels[static_cast<size_t>(i)]);
    out.names.push_back(images.names[static_cast<size_t>(i)]);
  }
  return out;
}

}  // namespace vitrim::pipeline
