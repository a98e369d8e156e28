#pragma once
// Flags that `train` and `dilute` share.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "command.h"
#include "settings.h"
#include "vitrim/core/train_artifacts.h"
#include "vitrim/hub/hub.h"
#include "vitrim/pipeline/train.h"

namespace vitrim::app {

struct TrainFlags {
  CommonFlags common;
  DataFlags data;
  SegmentationFlags segmentation;
  std::string source, eval, validate, output, dtype = "f32", device = "cpu";
  Settings settings;  ///< --recipe and --set, of training and of what comes before it
  std::vector<std::pair<std::string, std::string>> overrides;  ///< from flags that stand for one key
  std::string state, log, report;
  bool resume = false, keep_best = false;
  double state_minutes = 10;
  int64_t eval_every = 1, log_every = 50, track = 0;

  /// `keys`: what the command can be told beside the recipe's.
  void add_to(CLI::App& command, const std::vector<train::Keys>& keys = {});
  std::string state_path() const { return state.empty() ? hub::stem_of(output) + ".state" : state; }
  std::string log_path() const { return log.empty() ? hub::stem_of(output) + ".jsonl" : log; }
  /// Joins the other ranks, if there are any; sets threads and the log sink before that.
  std::shared_ptr<distributed::Group> start(const Context& context) const;
  /// The recipe with flags laid over it; sets what the keys of add_to() are bound to. UsageError where a key
  /// or value is wrong.
  train::Recipe resolve() const;
};

/// What is opened before the long work, so that mistakes show early.
struct TrainInputs {
  train::Recipe recipe;
  PreprocessSpec preprocess;
  std::unique_ptr<data::Dataset> dataset, evaluation, validation;
};
TrainInputs open_inputs(const TrainFlags& flags, const ModelSpec& spec, const std::string& model_source);

/// Refuses images whose classes are not the model's, and a teacher that does not fit, before the long work.
void check_inputs(const TrainFlags& flags, const TrainInputs& inputs, const ModelSpec& spec);

/// Device and precision of the flags, and the preprocessing that the checkpoint will carry.
void prepare(model::Model& model, const TrainFlags& flags, const TrainInputs& inputs,
             const distributed::Group& group);

/// Trains, writes the checkpoint, the JSON and the report, and tells the result in words. `result` comes with
/// task, init and reason filled in, and with `dense` where the result is to be compared with another model
/// than the one that training begins with. `absorbed`: an absorption of `layers` comes first
/// (train::TrainOptions::absorbed).
void train_and_write(const TrainFlags& flags, const Context& context, model::Model& model,
                     const TrainInputs& inputs, const std::shared_ptr<distributed::Group>& group,
                     const std::vector<int>& layers, TrainResult result,
                     const std::optional<model::StateDict>& absorbed = std::nullopt);

}  // namespace vitrim::app
