#include "view_flags.h"

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
  return pipeline::load_with_views(dataset, analyze.images, load, *this, common.seed, model.spec(), options);
}

}  // namespace vitrim::app
