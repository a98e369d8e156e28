#pragma once
// Flags that several programs share, and their effect. Nothing here needs LibTorch.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vitrim/architecture/infer.h"
#include "vitrim/core/model_spec.h"
#include "vitrim/data/dataset.h"

namespace vitrim::app {

/// The destination of results, and the resources of the computation.
struct ProgramFlags {
  std::string json;  ///< file, or "-" for standard output
  bool quiet = false;
  int threads = 0;
  std::string precision = "auto";
  int64_t batch_size = 50;

  void add_output(CLI::App& command);
  void add_threads(CLI::App& command);
  /// Adds --precision, and --batch-size if batch_size is not 0.
  void add_numbers(CLI::App& command);
  /// Whether results may be printed as text on standard output.
  bool speaks() const { return json != "-" && !quiet; }
  /// Writes `text` to the destination of --json, if it was passed. Standard output is written at once, so
  /// that a failure is known before an OutputSet is committed.
  void write_json(const std::string& text) const;
};

/// Adds --weights, which every command has that reads a checkpoint.
void add_weights_flag(CLI::App& command, std::string& weights);

/// Hints about properties that neither the tensors of a checkpoint nor the files in its folder may state.
struct UnsaidFlags {
  std::vector<int64_t> num_heads;
  double stream_gain = 0, norm_eps = 0;
  std::string activation, pooling;
  const CLI::App* owner = nullptr;  ///< the command of add_to(), which must outlive these flags

  void add_to(CLI::App& command);
  void fill(architecture::LoadHints& hints) const;
  /// Options of the preprocessing about which no assumption matters: those that were passed, and those that
  /// the command does not have, because it reads no images.
  std::vector<std::string> stated() const;
};

/// The model, and hints about its checkpoint.
struct ModelInput {
  std::string model;
  UnsaidFlags unsaid;
  int64_t image_size = 0;
  int64_t num_classes = 0;
  std::string task;     ///< the task that the model must have; empty: any
  std::string weights;  ///< which of several sets of weights in the file to read

  /// Adds MODEL and calls add_hints().
  void add_to(CLI::App& command);
  void add_hints(CLI::App& command);
  architecture::LoadHints hints() const;
  /// Throws UsageError if --task does not match the model.
  void check_task(const ModelSpec& spec) const;
};

/// Flags of preprocessing and data sets.
struct DataFlags {
  std::vector<double> mean, std;
  std::string resize;  ///< pixels or "none"
  int64_t crop = 0;
  std::string interpolation;
  std::string classes, class_order;
  int64_t max_corrupt = 0, max_pixels = data::kMaxPixels;

  /// Adds all flags.
  void add_to(CLI::App& command);
  /// Adds the flags of preprocessing only.
  void add_preprocessing(CLI::App& command);
  /// Adds the flags that say which images count as corrupt, and how many may be corrupt.
  void add_limits(CLI::App& command);
  /// The checkpoint's preprocessing, overridden by the flags. Throws UsageError if neither states mean and
  /// std, Error if the model does not read images of 3 channels or 1.
  PreprocessSpec preprocess(const ModelSpec& spec, const std::string& source) const;
  /// The options with which labelled images are opened for a model.
  data::DatasetOptions dataset(const ModelSpec& spec) const;
  /// The options with which images are opened whose labels are not used.
  data::DatasetOptions unlabelled() const;
};

/// Parses "none" or a number of pixels; throws UsageError on anything else.
std::optional<int64_t> parse_resize(const std::string& text);

/// A number with this many digits after the decimal point.
std::string fixed(double value, int digits);
/// "82.3 %" and the like.
std::string percent(double fraction, int digits = 1);

}  // namespace vitrim::app
