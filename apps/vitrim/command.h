#pragma once
// Code that the subcommands share: common flags, and the output of results.

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "input_flags.h"
#include "program.h"
#include "streams.h"
#include "vitrim/core/artifacts.h"
#include "vitrim/data/dataset.h"
#include "vitrim/eval/accuracy.h"
#include "vitrim/model/loading.h"

namespace vitrim::app {

/// Adds every subcommand to `app`; the chosen one sets `context.run`.
void add_commands(CLI::App& app, Context& context);
/// Flags of every command.
struct CommonFlags : ProgramFlags {
  uint64_t seed = 0;

  void add_to(CLI::App& command, bool computes = true);
  /// Sets threads and the log sink; call first. --json may be a file in `output`, a folder that does not
  /// exist yet.
  void apply(const std::string& output = "") const;
};

struct ModelFlags : ModelInput {
  /// Loads the model and sets its compute dtype.
  std::unique_ptr<model::Model> load(const std::string& precision) const;
};

/// The flags for evaluating a model for segmentation.
struct SegmentationFlags {
  int64_t window = 0, stride = 0, pictures = 6;

  void add_to(CLI::App& command);
  /// Throws UsageError if a flag was passed that has no effect for this model.
  void apply(const ModelSpec& spec, eval::AccuracyOptions& accuracy) const;
};

/// The flags for evaluating features of models without a classifier.
struct FeatureFlags {
  std::string train;       ///< labelled images that neighbours or a probe predict from
  int64_t neighbours = 0;  ///< 0: not requested
  bool probe = false;

  void add_to(CLI::App& command);
  bool any() const { return !train.empty() || neighbours > 0 || probe; }
  /// Opens --train. Throws UsageError if the flags do not fit together.
  void apply(const DataFlags& data, const ModelSpec& spec, eval::AccuracyOptions& accuracy) const;
};

/// `count` of the images that `accuracy` will evaluate, spread over the classes; 0: all. Throws UsageError,
/// which names the flags of the images and of their number, if a part of the --train images is asked for.
std::shared_ptr<const data::Dataset> spread_images(const std::shared_ptr<const data::Dataset>& whole,
                                                   int64_t count, const eval::AccuracyOptions& accuracy,
                                                   const std::string& images_flag,
                                                   const std::string& count_flag);

/// The manifest of this call.
Manifest manifest_of(const Context& context, const CommonFlags& flags, const std::string& data_fingerprint);

/// Writes the report page of one result, `json` (which was written as `output`), about `subject`, to a path;
/// does nothing if `path` is empty.
void write_report(const std::string& path, const std::string& output, const std::string& json,
                  const std::string& subject);

/// A paired comparison as text: "paired difference -1.2 points (95 % interval -2.0 to -0.4, McNemar p =
/// 0.01)".
std::string difference_text(const PairedResult& paired);
std::string millions(int64_t count);
std::string billions(int64_t count);

void add_inspect(CLI::App& app, Context& context);
void add_eval(CLI::App& app, Context& context);
void add_analyze(CLI::App& app, Context& context);
void add_compress(CLI::App& app, Context& context);
void add_bench(CLI::App& app, Context& context);
void add_merge(CLI::App& app, Context& context);
void add_plan(CLI::App& app, Context& context);
void add_prune(CLI::App& app, Context& context);
void add_quantize(CLI::App& app, Context& context);
void add_report(CLI::App& app, Context& context);
void add_sweep(CLI::App& app, Context& context);
void add_train(CLI::App& app, Context& context);
void add_dilute(CLI::App& app, Context& context);
void add_export(CLI::App& app, Context& context);
void add_run(CLI::App& app, Context& context);
void add_completion(CLI::App& app, Context& context);

}  // namespace vitrim::app
