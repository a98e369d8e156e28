#pragma once
// Flags of the steps after absorption that use many unlabelled images: fits on views of them, and
// distillation.

#include <memory>

#include "analyze_flags.h"
#include "command.h"
#include "settings.h"
#include "vitrim/pipeline/compress.h"

namespace vitrim::app {

struct ViewFlags {
  int64_t passes = 0, distill_epochs = 0;
  double rate = 1e-3, distill_rate = 2e-5, scale = 0.35, colour = 0, memory_gib = 3;

  void add_to(CLI::App& command);
  /// [views] and [distill]: the options that have no flag.
  train::Keys keys();

  /// Loads as many calibration images as fit into memory; the others are used only in views. Sets what
  /// `options` needs for views; its absorb options must be set before. Throws as load_unlabelled() does.
  data::ImageBatch load(const AnalyzeFlags& analyze, const CommonFlags& common, const DataFlags& data,
                        const model::Model& model, const std::string& name,
                        pipeline::CompressOptions& options) const;
};

}  // namespace vitrim::app
