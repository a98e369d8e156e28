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
  Settings settings;  ///< --recipe and --set, for training and the steps before it
  std::vector<std::pair<std::string, std::string>> overrides;  ///< from flags that set one key each
  std::string state, log, report;
  bool resume = false, keep_best = false;
  double state_minutes = 10;
  int64_t eval_every = 1, log_every = 50, track = 0;

  /// `keys`: keys of the command in addition to the recipe's.
  void add_to(CLI::App& command, const std::vector<train::Keys>& keys = {});
  std::string state_path() const { return state.empty() ? hub::stem_of(output) + ".state" : state; }
  std::string log_path() const { return log.empty() ? hub::stem_of(output) + ".jsonl" : log; }
  /// Sets threads and the log sink, then joins the other ranks, if there are any.
  std::shared_ptr<distributed::Group> start(const Context& context) const;
  /// The recipe, overridden by the flags; also sets the options that the keys of add_to() are bound to.
  /// Throws UsageError if a key or value is wrong.
  train::Recipe resolve() const;
};

/// Inputs that are opened before the long work, so that mistakes are reported early.
struct TrainInputs {
  train::Recipe recipe;
  PreprocessSpec preprocess;
  std::unique_ptr<data::Dataset> dataset, evaluation, validation;
};
TrainInputs open_inputs(const TrainFlags& flags, const ModelSpec& spec, const std::string& model_source);

/// Checks before the long work that the images have the model's classes and that a teacher fits.
void check_inputs(const TrainFlags& flags, const TrainInputs& inputs, const ModelSpec& spec);

/// Sets device and precision from the flags, and the preprocessing that the checkpoint will contain.
void prepare(model::Model& model, const TrainFlags& flags, const TrainInputs& inputs,
             const distributed::Group& group);

/// Trains, writes the checkpoint, the JSON and the report, and prints the result. The caller fills in task,
/// init and reason of `result`, and `dense` if the result is to be compared with another model than the
/// initial one. With `absorbed`, an absorption of `layers` comes first (train::TrainOptions::absorbed).
void train_and_write(const TrainFlags& flags, const Context& context, model::Model& model,
                     const TrainInputs& inputs, const std::shared_ptr<distributed::Group>& group,
                     const std::vector<int>& layers, TrainResult result,
                     const std::optional<model::StateDict>& absorbed = std::nullopt);

}  // namespace vitrim::app
