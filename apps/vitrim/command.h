#pragma once
// What the subcommands share: common flags, and how results leave the program.

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
  /// Sets threads and the log sink; call first. --json may lie in `output`, a folder that is yet to be made.
  void apply(const std::string& output = "") const;
};

struct ModelFlags : ModelInput {
  /// Loads the model, sets its compute dtype.
  std::unique_ptr<model::Model> load(const std::string& precision) const;
};

/// How a model for segmentation is evaluated.
struct SegmentationFlags {
  int64_t window = 0, stride = 0, pictures = 6;

  void add_to(CLI::App& command);
  /// UsageError where a flag was passed that says nothing for this model.
  void apply(const ModelSpec& spec, eval::AccuracyOptions& accuracy) const;
};

/// How features are evaluated, of models without a classifier.
struct FeatureFlags {
  std::string train;       ///< labelled images that neighbours or a probe answer from
  int64_t neighbours = 0;  ///< 0: not asked for
  bool probe = false;

  void add_to(CLI::App& command);
  bool any() const { return !train.empty() || neighbours > 0 || probe; }
  /// Opens --train. UsageError where the flags do not go together.
  void apply(const DataFlags& data, const ModelSpec& spec, eval::AccuracyOptions& accuracy) const;
};

/// Manifest of this call.
Manifest manifest_of(const Context& context, const CommonFlags& flags, const std::string& data_fingerprint);

/// Writes the page of one result, `json` (found under the name `output`), about `subject`, a path; does
/// nothing where `path` is empty.
void write_report(const std::string& path, const std::string& output, const std::string& json,
                  const std::string& subject);

/// "paired difference -1.2 points (95 % interval -2.0 to -0.4, McNemar p = 0.01)".
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
