#pragma once
// What the subcommands share: the context they run in, common flags, and how results leave the program.

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "streams.h"
#include "vitrim/core/artifacts.h"
#include "vitrim/data/dataset.h"
#include "vitrim/eval/accuracy.h"
#include "vitrim/model/loading.h"

namespace vitrim::app {

/// A wrong use that the parser could not see; exit code 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What the chosen subcommand will do, and facts about this call.
struct Context {
  std::string command_line;
  std::function<void()> run;
};

Context make_context(int argc, char** argv);
/// The arguments with `~/` as the home folder, also after the = of a flag, where shells leave it alone.
std::vector<std::string> expanded_arguments(int argc, char** argv);

/// Adds every subcommand to `app`; the chosen one sets `context.run`.
void add_commands(CLI::App& app, Context& context);
/// What --help or --version print, for which the parser throws an `error` with exit code 0.
std::string help_text(const CLI::App& app, const CLI::ParseError& error);
/// Prints what was wrong with the command line, with the nearest valid name, and returns the exit code, 2.
int report_usage(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv);

/// Flags of every command.
struct CommonFlags {
  std::string json;  ///< file, or "-" for standard output
  bool quiet = false;
  int threads = 0;
  uint64_t seed = 0;
  std::string precision = "auto";
  int64_t batch_size = 50;

  void add_to(CLI::App& command, bool computes = true);
  /// Sets threads and the log sink; call first. --json may lie in `output`, a folder that is yet to be made.
  void apply(const std::string& output = "") const;
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

  void add_to(CLI::App& command);
  void fill(model::LoadHints& hints) const;
};

/// Flags that say what a checkpoint does not.
struct ModelFlags {
  std::string model;
  UnsaidFlags unsaid;
  int64_t image_size = 0;
  int64_t num_classes = 0;
  std::string task;     ///< what the model must be for; empty: what it is for
  std::string weights;  ///< which of several sets of weights in the file

  void add_to(CLI::App& command);
  model::LoadHints hints() const;
  /// UsageError where --task says otherwise.
  void check_task(const ModelSpec& spec) const;
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

struct DataFlags;

/// How features are judged, of models without a classifier.
struct FeatureFlags {
  std::string train;       ///< labelled images that neighbours or a probe answer from
  int64_t neighbours = 0;  ///< 0: not asked for
  bool probe = false;

  void add_to(CLI::App& command);
  bool any() const { return !train.empty() || neighbours > 0 || probe; }
  /// Opens --train. UsageError where the flags do not go together.
  void apply(const DataFlags& data, const ModelSpec& spec, eval::AccuracyOptions& accuracy) const;
};

/// Preprocessing and data-set flags.
struct DataFlags {
  std::vector<double> mean, std;
  std::string resize;  ///< pixels or "none"
  int64_t crop = 0;
  std::string interpolation;
  std::string classes, class_order;
  int64_t max_corrupt = 0, max_pixels = data::kMaxPixels;

  void add_to(CLI::App& command);
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

/// Manifest of this call.
Manifest manifest_of(const Context& context, const CommonFlags& flags, const std::string& data_fingerprint);

/// Writes the page of one result, `json` (found under the name `output`), about `subject`, a path; does
/// nothing where `path` is empty.
void write_report(const std::string& path, const std::string& output, const std::string& json,
                  const std::string& subject);

/// "paired difference -1.2 points (95 % interval -2.0 to -0.4, McNemar p = 0.01)".
std::string difference_text(const PairedResult& paired);
/// "82.3 %" and the like.
std::string percent(double fraction, int digits = 1);
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
