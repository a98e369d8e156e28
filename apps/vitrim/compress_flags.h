#pragma once
// Code that compress and prune share: flags of absorption and channel pruning, evaluation images, output of
// the result.

#include <memory>
#include <string>

#include "analyze_flags.h"
#include "command.h"
#include "settings.h"
#include "vitrim/distributed/group.h"
#include "vitrim/pipeline/compress.h"

namespace vitrim::app {

/// --epochs and --no-absorb; fit_keys() covers the other members of `values`.
struct AbsorbFlags {
  absorb::AbsorbOptions values;
  bool none = false;
  /// With `beside_training`, the flag is --block-epochs, because --epochs belongs to training.
  void add_to(CLI::App& command, bool beside_training = false);
  absorb::AbsorbOptions options(const CommonFlags& common) const;
};

/// --attention-macs, --scope, ...; channel_keys() covers the other members of `values`.
struct PruneFlags {
  std::string target_macs, attention_macs, target_params, without;
  std::string scope = prune::to_string(pipeline::PruneOptions().scope);
  std::string similarity = "none", begin_with = "difference", begin_where = "all", truncate = "share";
  pipeline::PruneOptions values;
  /// `swept`: the command has its own lists of targets.
  void add_to(CLI::App& command, bool swept = false);
  /// The target is empty if no flag requests pruning.
  pipeline::PruneOptions options(const CommonFlags& common) const;
};

/// --eval and the flags that belong to it.
struct EvaluationFlags {
  std::string eval, resize;
  int64_t images = 0;  ///< 0: all
  FeatureFlags features;
  SegmentationFlags segmentation;  ///< commands that read models for segmentation add its flags
  void add_to(CLI::App& command);
  /// Opens and checks the images (labels, classes) before the long work, so that mistakes are reported at
  /// once; null without --eval.
  std::shared_ptr<const data::Dataset> open(const CommonFlags& common, const DataFlags& data,
                                            const model::Model& model, const std::string& name,
                                            eval::AccuracyOptions& accuracy) const;
};

/// The options that compress and sweep share.
struct CompressionFlags {
  CommonFlags common;
  ModelFlags model;
  DataFlags data;
  AnalyzeFlags analyze;
  EvaluationFlags evaluation;
  AbsorbFlags absorb;
  PruneFlags prune;
  Settings settings;
  /// The options for a model of `blocks` blocks, on the ranks of `group`, which must outlive them.
  pipeline::CompressOptions options(int blocks, distributed::Group& group) const;
};

/// --quantize, for commands that first change a model in another way.
struct QuantizeFlag {
  bool wanted = false;
  void add_to(CLI::App& command);
  /// Runs pipeline::quantize_last() if requested; `judges` may be null.
  void apply(const CommonFlags& common, const model::Model& dense, std::unique_ptr<model::Model>& model,
             CompressResult& result, const data::ImageBatch* images, const data::ImageBatch* judges,
             const data::Dataset* evaluation, const eval::AccuracyOptions& accuracy) const;
  /// For a model that was fitted on some of `images`: those calibrate, the others measure.
  void apply(const CommonFlags& common, const model::Model& dense, pipeline::Compressed& made,
             const data::ImageBatch& images, const absorb::AbsorbOptions& fitted,
             const data::Dataset* evaluation, const eval::AccuracyOptions& accuracy) const;
};

/// -o, --report, --save-dtype.
struct OutputFlags {
  std::string output, report;
  std::string dtype = "same";  ///< "same" (as the model that was read), "f32", "f16" or "bf16"
  std::string weights;         ///< the --weights with which it was read
  void add_to(CLI::App& command, const std::string& what);
  /// Checks before any work that every path can be written, that no two paths are the same file (including
  /// `json`), and that the checkpoint's name has the right ending.
  void check(const std::string& json) const;
};

/// Writes the checkpoint. `result.model` is the model that was read, `result.output` the checkpoint; empty:
/// none.
void save_compressed(const model::Model& compressed, const CompressResult& result, const OutputFlags& output);
/// Writes checkpoint, JSON and page, all or none, and prints the result.
void write_compressed(const CommonFlags& common, const model::Model& compressed, const CompressResult& result,
                      const OutputFlags& output);

}  // namespace vitrim::app
