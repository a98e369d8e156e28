#include "vitrim/data/views.h"

#include "data/decode_batch.h"

namespace vitrim::data {

ImageBatch load_views(const Dataset& dataset, const ViewOptions& options) {
  validate(options.augment);
  // Streams of different passes are far apart, so that no two views of a run use the same one.
  const uint64_t first = 0x76696577ull + (static_cast<uint64_t>(options.pass) << 36);
  return decode_batch(dataset, options.load, /*stage=*/"", [&](const Image& image, int64_t index) {
    Random random(options.seed, first + static_cast<uint64_t>(index));
    return augment(image, options.load.preprocess, options.augment, random);
  });
}

}  // namespace vitrim::data
