#pragma once
// Flags that several programs take, and what they mean. Nothing here needs LibTorch.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vitrim/architecture/infer.h"
#include "vitrim/core/model_spec.h"
#include "vitrim/data/dataset.h"

namespace vitrim::app {

/// Where results go, and what a program computes with.
struct ProgramFlags {
  std::string json;  ///< file, or "-" for standard output
  bool quiet = false;
  int threads = 0;
  std::string precision = "auto";
  int64_t batch_size = 50;

  void add_output(CLI::App& command);
  void add_threads(CLI::App& command);
  /// --precision, and --batch-size where batch_size is not 0.
  void add_numbers(CLI::App& command);
  /// True when results may be told in words on standard output.
  bool speaks() const { return json != "-" && !quiet; }
  /// Writes `text` where --json says, if it does; to standard output at once, so that a failure is known
  /// before an OutputSet is committed.
  void write_json(const std::string& text) const;
};

/// --weights, of every command that reads a checkpoint.
void add_weights_flag(CLI::App& command, std::string& weights);

/// What neither the tensors of a checkpoint nor the files beside it may say.
struct UnsaidFlags {
  std::vector<int64_t> num_heads;
  double stream_gain = 0, norm_eps = 0;
  std::string activation, pooling;
  const CLI::App* owner = nullptr;  ///< the command of add_to(), which must outlive these flags

  void add_to(CLI::App& command);
  void fill(architecture::LoadHints& hints) const;
};

/// Which model, and what its checkpoint does not say.
struct ModelInput {
  std::string model;
  UnsaidFlags unsaid;
  int64_t image_size = 0;
  int64_t num_classes = 0;
  std::string task;     ///< what the model must be for; empty: what it is for
  std::string weights;  ///< which of several sets of weights in the file

  /// MODEL and add_hints().
  void add_to(CLI::App& command);
  void add_hints(CLI::App& command);
  architecture::LoadHints hints() const;
  /// UsageError where --task says otherwise.
  void check_task(const ModelSpec& spec) const;
};

/// Preprocessing and data-set flags.
struct DataFlags {
  std::vector<double> mean, std;
  std::string resize;  ///< pixels or "none"
  int64_t crop = 0;
  std::string interpolation;
  std::string classes, class_order;
  int64_t max_corrupt = 0, max_pixels = data::kMaxPixels;

  /// All flags.
  void add_to(CLI::App& command);
  /// Those of preprocessing alone.
  void add_preprocessing(CLI::App& command);
  /// Those that say which images are taken for corrupt, and how many may be.
  void add_limits(CLI::App& command);
  /// The checkpoint's preprocessing with the flags laid over it. Throws UsageError where neither says mean
  /// and std, Error where the model takes no images of 3 channels or 1.
  PreprocessSpec preprocess(const ModelSpec& spec, const std::string& source) const;
  /// How labelled images are opened for a model.
  data::DatasetOptions dataset(const ModelSpec& spec) const;
  /// How images are opened whose labels are not used.
  data::DatasetOptions unlabelled() const;
};

/// "none" or a number of pixels; UsageError on anything else.
std::optional<int64_t> parse_resize(const std::string& text);

/// A number with so many digits after the point.
std::string fixed(double value, int digits);
/// "82.3 %" and the like.
std::string percent(double fraction, int digits = 1);

}  // namespace vitrim::app
