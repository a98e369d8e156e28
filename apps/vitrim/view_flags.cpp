#include "view_flags.h"

#include <algorithm>
#include <set>

#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/data/views.h"

namespace vitrim::app {

void ViewFlags::add_to(CLI::App& command) {
  command
      .add_option("--views", passes,
                  "number of passes over random crops of the calibration images, after the fit on the images "
                  "themselves")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  command
      .add_option("--distill-epochs", distill_epochs,
                  "largest number of passes over random crops of the calibration images that train the whole "
                  "model towards the dense model's features and softened logits; training stops early when "
                  "the held-out images show no gain")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  command
      .add_option("--memory", memory_gib,
                  "memory for calibration images and their activations in GiB; images beyond it are used in "
                  "random crops only (--views, --distill-epochs)")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

train::Keys ViewFlags::keys() {
  return {
      {.key = "views.learning_rate",
       .slot = &rate,
       .range = train::above(0),
       .help = "learning rate of the passes of --views"},
      {.key = "views.scale_min",
       .slot = &scale,
       .range = train::between(0.01, 1),
       .help = "smallest share of an image's area in a random crop"},
      {.key = "views.color_jitter",
       .slot = &colour,
       .range = train::between(0, 1),
       .help = "largest relative change of a view's brightness, contrast and saturation"},
      {.key = "distill.learning_rate",
       .slot = &distill_rate,
       .range = train::above(0),
       .help = "learning rate of the passes of --distill-epochs"},
  };
}

data::ImageBatch ViewFlags::load(const AnalyzeFlags& analyze, const CommonFlags& common,
                                 const DataFlags& data, const model::Model& model, const std::string& name,
                                 pipeline::CompressOptions& options) const {
  const std::shared_ptr<data::Dataset> dataset = data::open_dataset(analyze.calib, data.unlabelled());
  data::LoadOptions load;
  load.channels = data::image_channels(model.spec(), name);
  load.preprocess = data.preprocess(model.spec(), name);
  load.threads = common.threads;
  load.max_corrupt = data.max_corrupt;
  const std::vector<int64_t> wanted =
      data::spread_indices(dataset->size(), analyze.images > 0 ? analyze.images : dataset->size());
  const auto count = static_cast<int64_t>(wanted.size());
  const int64_t within = absorb::images_within(model.spec(), static_cast<int64_t>(memory_gib * (1 << 30)));
  // The fit on the loaded images also holds their mirrored streams.
  const int64_t loaded = std::min(count, std::max<int64_t>(64, options.absorb.flip ? within / 2 : within));
  for (const int64_t i : data::spread_indices(count, loaded))
    load.indices.push_back(wanted[static_cast<size_t>(i)]);
  const bool views = passes > 0 || distill_epochs > 0;
  if (loaded < count) {
    const std::string text =
        std::to_string(loaded) + " of " + std::to_string(count) + " calibration images fit into --memory";
    if (views) {
      log_info(text + "; the others are used in random views only");
    } else {
      log_warning(text + "; the others are not used: allow more memory, or use all of them with --views 1");
    }
  }
  data::ImageBatch images = data::load_images(*dataset, load);
  if (!views) return images;

  const data::ImageBatch held_out = absorb::held_out_images(images, options.absorb);
  std::set<std::string> unseen(held_out.names.begin(), held_out.names.end());
  unseen.insert(images.corrupt.begin(), images.corrupt.end());
  std::vector<int64_t> fit;
  for (const int64_t i : wanted) {
    if (!unseen.contains(dataset->name(i))) fit.push_back(i);
  }
  data::ViewOptions view;
  view.load = load;
  view.augment.scale_min = scale;
  view.augment.horizontal_flip = options.absorb.flip ? 0.5 : 0;
  view.augment.rand_augment_ops = 0;
  view.augment.color_jitter = colour;
  view.augment.erase_probability = 0;
  view.seed = common.seed;
  options.more.size = static_cast<int64_t>(fit.size());
  options.more.load = [dataset, view, fit](int64_t pass, const std::vector<int64_t>& rows) {
    data::ViewOptions some = view;
    some.pass = pass;
    some.load.indices.clear();
    for (const int64_t row : rows) some.load.indices.push_back(fit[static_cast<size_t>(row)]);
    return data::load_views(*dataset, some);
  };
  options.refine.passes = passes;
  options.refine.learning_rate = rate;
  options.distill.epochs = distill_epochs;
  options.distill.learning_rate = distill_rate;
  // The loaded images stay in memory in addition to the chunks.
  const int64_t chunk = std::max<int64_t>(64, within - loaded / 4);
  options.refine.chunk = options.distill.chunk = std::min<int64_t>(chunk, 4096);
  return images;
}

}  // namespace vitrim::app
