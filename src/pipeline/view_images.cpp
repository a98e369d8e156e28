#include "vitrim/pipeline/view_images.h"

#include <algorithm>
#include <set>
#include <string>

#include "vitrim/core/log.h"
#include "vitrim/data/views.h"

namespace vitrim::pipeline {

data::ImageBatch load_with_views(const std::shared_ptr<const data::Dataset>& dataset, int64_t images,
                                 data::LoadOptions load, const ViewSettings& views, uint64_t seed,
                                 const ModelSpec& spec, CompressOptions& options) {
  const std::vector<int64_t> wanted =
      data::spread_indices(dataset->size(), images > 0 ? images : dataset->size());
  const auto count = static_cast<int64_t>(wanted.size());
  const int64_t within = absorb::images_within(spec, static_cast<int64_t>(views.memory_gib * (1 << 30)));
  // The fit on the loaded images also holds their mirrored streams.
  const int64_t loaded = std::min(count, std::max<int64_t>(64, options.absorb.flip ? within / 2 : within));
  load.indices.clear();
  for (const int64_t i : data::spread_indices(count, loaded))
    load.indices.push_back(wanted[static_cast<size_t>(i)]);
  const bool viewed = views.passes > 0 || views.distill_epochs > 0;
  if (loaded < count) {
    const std::string text =
        std::to_string(loaded) + " of " + std::to_string(count) + " calibration images fit into --memory";
    if (viewed) {
      log_info(text + "; the others are used in random views only");
    } else {
      log_warning(text + "; the others are not used: allow more memory, or use all of them with --views 1");
    }
  }
  data::ImageBatch batch = data::load_images(*dataset, load);
  if (!viewed) return batch;

  const data::ImageBatch held_out = absorb::held_out_images(batch, options.absorb);
  std::set<std::string> unseen(held_out.names.begin(), held_out.names.end());
  unseen.insert(batch.corrupt.begin(), batch.corrupt.end());
  std::vector<int64_t> fit;
  for (const int64_t i : wanted) {
    if (!unseen.contains(dataset->name(i))) fit.push_back(i);
  }
  data::ViewOptions view;
  view.load = load;
  view.augment.scale_min = views.scale;
  view.augment.horizontal_flip = options.absorb.flip ? 0.5 : 0;
  view.augment.rand_augment_ops = 0;
  view.augment.color_jitter = views.colour;
  view.augment.erase_probability = 0;
  view.seed = seed;
  options.more.size = static_cast<int64_t>(fit.size());
  options.more.load = [dataset, view, fit](int64_t pass, const std::vector<int64_t>& rows) {
    data::ViewOptions some = view;
    some.pass = pass;
    some.load.indices.clear();
    for (const int64_t row : rows) some.load.indices.push_back(fit[static_cast<size_t>(row)]);
    return data::load_views(*dataset, some);
  };
  options.refine.passes = views.passes;
  options.refine.learning_rate = views.rate;
  options.distill.epochs = views.distill_epochs;
  options.distill.learning_rate = views.distill_rate;
  // The loaded images stay in memory in addition to the chunks.
  const int64_t chunk = std::max<int64_t>(64, within - loaded / 4);
  options.refine.chunk = options.distill.chunk = std::min<int64_t>(chunk, 4096);
  return batch;
}

}  // namespace vitrim::pipeline
