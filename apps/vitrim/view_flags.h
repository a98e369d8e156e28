#pragma once
// Flags of the steps after absorption that use many unlabelled images: fits on views of them, and
// distillation.

#include "analyze_flags.h"
#include "command.h"
#include "settings.h"
#include "vitrim/pipeline/view_images.h"

namespace vitrim::app {

struct ViewFlags : pipeline::ViewSettings {
  void add_to(CLI::App& command);
  /// [views] and [distill]: the options that have no flag.
  train::Keys keys();

  /// Loads the images of --calib as pipeline::load_with_views() does.
  data::ImageBatch load(const AnalyzeFlags& analyze, const CommonFlags& common, const DataFlags& data,
                        const model::Model& model, const std::string& name,
                        pipeline::CompressOptions& options) const;
};

}  // namespace vitrim::app
