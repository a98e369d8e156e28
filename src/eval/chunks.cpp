#include "eval/chunks.h"

#include <algorithm>
#include <numeric>

namespace vitrim::eval {

int64_t for_each_chunk(const model::Model& model, const data::Dataset& dataset,
                       const AccuracyOptions& options, distributed::Share share,
                       const std::function<void(const data::ImageBatch&)>& use) {
  int64_t corrupt = 0;
  for (int64_t begin = share.begin; begin < share.end; begin += options.chunk) {
    data::LoadOptions load;
    load.preprocess = options.preprocess;
    load.channels = data::image_channels(model.spec(), "the model");
    load.threads = options.threads;
    load.max_corrupt = options.max_corrupt - corrupt;
    load.indices.resize(static_cast<size_t>(std::min(options.chunk, share.end - begin)));
    std::iota(load.indices.begin(), load.indices.end(), begin);
    const data::ImageBatch images = data::load_images(dataset, load);
    corrupt += static_cast<int64_t>(images.corrupt.size());
    use(images);
  }
  return corrupt;
}

}  // namespace vitrim::eval
