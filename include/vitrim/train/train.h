#pragma once
// The training loop: fine-tuning, training from scratch, and dilution.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vitrim/core/train_artifacts.h"
#include "vitrim/data/dataset.h"
#include "vitrim/distributed/group.h"
#include "vitrim/model/model.h"
#include "vitrim/train/recipe.h"

namespace vitrim::train {

struct TrainOptions {
  Recipe recipe;
  PreprocessSpec preprocess;  ///< crop, mean and std of what the model sees
  std::vector<int> dilute;    ///< layers whose attention fades out over recipe.dilution_epochs
  /// The dilution begins with an absorption: a diluted block is y = x + lambda A(LN1 x), and with every fall
  /// of lambda the weights move by as large a share of the way from those at the start to `absorbed`.
  bool absorb_first = false;
  model::StateDict absorbed;  ///< parameters of the model whose MLPs were fitted to the loss of `dilute`, by
                              ///< name (what is not named does not move); a resumed run has its own
  /// Loss of the model at a lambda on images that are not trained on, the same for all ranks; needed where
  /// recipe.dilution_schedule is "held_out".
  std::function<double(const model::Model& model, double lambda)> held_out_loss;
  const model::Model* teacher = nullptr;  ///< of distillation; sees the same pixels
  PreprocessSpec teacher_preprocess;      ///< its mean and std
  uint64_t seed = 0;
  int64_t max_corrupt =
      0;  ///< corrupt images that others stand in for (each named in a warning) before the run ends
  std::shared_ptr<distributed::Group> group;  ///< the ranks that train together; null: this process alone

  std::string state_path;  ///< training state, written after every epoch, every `state_minutes` and on a
                           ///< stop; empty: none
  double state_minutes = 10;
  bool resume = false;   ///< continue from state_path where that exists
  std::string identity;  ///< what else must be the same for a resume (data, start weights)
  std::string shared;    ///< what else must be the same for all ranks, a line each

  std::string log_path;    ///< JSON lines; empty: none
  std::string log_header;  ///< first line of a new log, a JSON object
  int64_t log_every = 50;  ///< steps between "step" lines

  bool keep_best = false;  ///< export the epoch with the best top-1 that `measure` found (of epochs with
                           ///< lambda 0), else the last one
  /// Called after every epoch with the weights as they are and the dilution's lambda: fills in accuracy,
  /// entropies and what else. `ema` says that these are the averaged weights (recipe.ema_decay > 0; called a
  /// second time then). May be empty.
  std::function<void(const model::Model& model, double lambda, bool ema, EpochRecord& record)> measure;
};

struct Trained {
  std::vector<EpochRecord> epochs;
  int64_t chosen_epoch = 0;  ///< counts from 1
};

/// Trains `model` in place and leaves the chosen weights in it (the averaged ones where recipe.ema_decay >
/// 0). Layers in `dilute` are at lambda 0 then, but still there: cut and fold them (surgery). Throws Error
/// with epoch and batch where the loss is not finite, with file and remedy where a state does not belong to
/// this run, or (without `resume`) holds an unfinished one; Interrupted after the state was written where a
/// stop was asked for. A state that can't be written is a warning: the last one is whole, and training goes
/// on.
///
/// A run that was killed and resumed gives the same weights, bit for bit on the same number of threads, as
/// one that was not.
Trained train(model::Model& model, const data::Dataset& dataset, const TrainOptions& options);

/// Refuses models whose blocks' outputs can't be compared (recipe.block_weight): std::invalid_argument.
void check_streams(const ModelSpec& student, const ModelSpec& teacher);

/// Error where an unfinished run lies at `state_path`: a forgotten resume must not cost the hours that a
/// state holds. Nothing where there is no file.
void refuse_to_overwrite(const std::string& state_path);
/// The layers that the run of a training state dilutes; nothing where there is no such file. Throws
/// FormatError where it is no state.
std::optional<std::vector<int>> diluted_layers(const std::string& state_path);
/// The model of an unfinished run, as far as it was trained; null where there is no state, or one of a
/// version that did not keep it. Throws FormatError.
std::unique_ptr<model::Model> stored_model(const std::string& state_path);

}  // namespace vitrim::train
