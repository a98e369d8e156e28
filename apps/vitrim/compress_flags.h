#pragma once
// What compress and prune share: flags of absorption and channel pruning, the evaluation images, the result.

#include <memory>
#include <string>

#include "analyze_flags.h"
#include "command.h"
#include "settings.h"
#include "vitrim/distributed/group.h"
#include "vitrim/pipeline/compress.h"

namespace vitrim::app {

/// --epochs and --no-absorb; fit_keys() sets the rest of `values`.
struct AbsorbFlags {
  absorb::AbsorbOptions values;
  bool none = false;
  /// `beside_training`: --block-epochs, where --epochs are those of training.
  void add_to(CLI::App& command, bool beside_training = false);
  absorb::AbsorbOptions options(const CommonFlags& common) const;
};

/// --attention-macs, --scope, ...; channel_keys() set the rest of `values`.
struct PruneFlags {
  std::string target_macs, attention_macs, target_params, scope = "attention", without, similarity = "none",
                                                          begin_with = "difference", begin_where = "all",
                                                          truncate = "share";
  pipeline::PruneOptions values;
  /// `swept`: the command has lists of targets of its own.
  void add_to(CLI::App& command, bool swept = false);
  /// Target empty where no flag asked for pruning.
  pipeline::PruneOptions options(const CommonFlags& common) const;
};

/// --eval and what goes with it.
struct EvaluationFlags {
  std::string eval, resize;
  FeatureFlags features;
  SegmentationFlags segmentation;  ///< its flags are added by commands that take such models
  void add_to(CLI::App& command);
  /// Opened and checked (labels, classes) before the minutes of work, so that what is wrong is said at once;
  /// null without --eval.
  std::unique_ptr<data::Dataset> open(const CommonFlags& common, const DataFlags& data,
                                      const model::Model& model, const std::string& name,
                                      eval::AccuracyOptions& accuracy) const;
};

/// What compress and sweep are told alike.
struct CompressionFlags {
  CommonFlags common;
  ModelFlags model;
  DataFlags data;
  AnalyzeFlags analyze;
  EvaluationFlags evaluation;
  AbsorbFlags absorb;
  PruneFlags prune;
  Settings settings;
  /// For a model of `blocks` blocks, on the ranks of `group`, which must outlive them.
  pipeline::CompressOptions options(int blocks, distributed::Group& group) const;
};

/// --quantize of commands that change a model first.
struct QuantizeFlag {
  bool wanted = false;
  void add_to(CLI::App& command);
  /// pipeline::quantize_last() where it is wanted; `judges` may be null.
  void apply(const CommonFlags& common, const model::Model& dense, std::unique_ptr<model::Model>& model,
             CompressResult& result, const data::ImageBatch* images, const data::ImageBatch* judges,
             const data::Dataset* evaluation, const eval::AccuracyOptions& accuracy) const;
  /// Of a model that was fitted on some of `images`: those calibrate, the others judge.
  void apply(const CommonFlags& common, const model::Model& dense, pipeline::Compressed& made,
             const data::ImageBatch& images, const absorb::AbsorbOptions& fitted,
             const data::Dataset* evaluation, const eval::AccuracyOptions& accuracy) const;
};

/// -o, --report, --save-dtype.
struct OutputFlags {
  std::string output, report;
  std::string dtype = "same";  ///< "same" as the model that was read, "f32", "f16" or "bf16"
  std::string weights;         ///< the --weights that it was read with
  void add_to(CLI::App& command, const std::string& what);
  /// Before any work: every path can be written, no two are one file (`json` included), and the checkpoint's
  /// name ends as what is written.
  void check(const std::string& json) const;
};

/// Writes the checkpoint. `result.model` names the model that was read, result.output the checkpoint, empty
/// for none.
void save_compressed(const model::Model& compressed, const CompressResult& result, const OutputFlags& output);
/// Writes checkpoint, JSON and page, all or none, and prints what was reached.
void write_compressed(const CommonFlags& common, const model::Model& compressed, const CompressResult& result,
                      const OutputFlags& output);

}  // namespace vitrim::app
