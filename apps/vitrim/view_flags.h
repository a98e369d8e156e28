#pragma once
// Flags of what follows absorption where there are many unlabelled images: views of them, and distillation.

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
  /// [views] and [distill]: options of these flags that have no flag.
  train::Keys keys();

  /// The calibration images: as many as fit into the memory are loaded, all others are seen in views. Sets
  /// what `options` needs for those; its absorb options must be set. Throws as load_unlabelled().
  data::ImageBatch load(const AnalyzeFlags& analyze, const CommonFlags& common, const DataFlags& data,
                        const model::Model& model, const std::string& name,
                        pipeline::CompressOptions& options) const;
};

}  // namespace vitrim::app
