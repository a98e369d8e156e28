#pragma once
// Flags that `analyze` and `compress` share.

#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "settings.h"
#include "vitrim/pipeline/analyze.h"

namespace vitrim::app {

struct AnalyzeFlags {
  std::string calib;
  int64_t images = 0;
  std::string remove;
  std::string layers;  ///< --remove-attention, for commands that have it
  std::string search = "beam";
  std::string criterion = "absorbed";
  std::string estimator = "diagonal";
  std::string mask = "drop";
  int beam_width = pipeline::AnalyzeOptions().search.beam_width;
  int64_t te_images = 0;
  bool both_criteria = false;

  void add_to(CLI::App& command, bool needs_calib = true);
  /// [search] and [te]: the options that have no flag.
  train::Keys keys();
  /// Adds --remove and --remove-attention, for commands that need one of them.
  void add_choice_to(CLI::App& command);
  /// The layers that --remove-attention lists for a model of `blocks` blocks; empty if it was not passed.
  std::optional<std::vector<int>> named_layers(int blocks) const;
  /// The options for a model of `layers` blocks.
  pipeline::AnalyzeOptions options(const CommonFlags& common, int blocks) const;
  /// The calibration images, decoded and transformed.
  data::ImageBatch load(const CommonFlags& common, const DataFlags& data, const ModelSpec& spec,
                        const std::string& model) const;
};

/// Loads the images of `source` without labels, `count` of them spread over all (0: all). A class list is
/// ignored.
data::ImageBatch load_unlabelled(const std::string& source, int64_t count, const CommonFlags& common,
                                 const DataFlags& data, const ModelSpec& spec, const std::string& model);

/// Prints entropies, TE and the chosen set on standard output.
void print_scores(const LayerScores& scores);

}  // namespace vitrim::app
