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
  PreprocessSpec preprocess;  ///< crop, mean and std of the model's input
  std::vector<int> dilute;    ///< layers whose attention is faded out over recipe.dilution_epochs
  /// Dilution starts from absorption: a diluted block is y = x + lambda A(LN1 x), and whenever lambda falls,
  /// the weights move by the same share of the way from the initial weights to `absorbed`.
  bool absorb_first = false;
  model::StateDict
      absorbed;  ///< parameters, by name, of the model whose MLPs were fitted to do the work of the layers in
                 ///< `dilute`; parameters that are missing do not move; a resumed run has them in its state
  /// Loss of the model at a lambda on images that are not trained on; it must be equal on all ranks. Needed
  /// if recipe.dilution_schedule is "held_out".
  std::function<double(const model::Model& model, double lambda)> held_out_loss;
  const model::Model* teacher = nullptr;  ///< teacher of the distillation; it reads the same pixels
  PreprocessSpec teacher_preprocess;      ///< the teacher's mean and std
  uint64_t seed = 0;
  int64_t max_corrupt = 0;  ///< largest number of corrupt images that are replaced by others (each named in a
                            ///< warning) before the run fails
  std::shared_ptr<distributed::Group> group;  ///< the ranks that train together; null: this process alone

  std::string state_path;  ///< file of the training state, written after every epoch, every `state_minutes`
                           ///< and on a stop; empty: none
  double state_minutes = 10;
  bool resume = false;   ///< continue from state_path if that exists
  std::string identity;  ///< what else must be equal for a resume (data, initial weights)
  std::string shared;    ///< what else must be equal on all ranks, one item per line

  std::string log_path;    ///< file of the log (JSON lines); empty: none
  std::string log_header;  ///< first line of a new log, a JSON object
  int64_t log_every = 50;  ///< steps between "step" lines

  bool keep_best = false;  ///< export the epoch with the best top-1 that `measure` found (among epochs with
                           ///< lambda = 0), else the last one
  /// Called after every epoch with the current weights and the dilution's lambda; it fills in accuracy,
  /// entropies and other figures. With recipe.ema_decay > 0 it is called a second time, with the averaged
  /// weights and `ema` set. May be empty.
  std::function<void(const model::Model& model, double lambda, bool ema, EpochRecord& record)> measure;
};

struct Trained {
  std::vector<EpochRecord> epochs;
  int64_t chosen_epoch = 0;  ///< counts from 1
};

/// Trains `model` in place and leaves the chosen weights in it (the averaged ones if recipe.ema_decay > 0).
/// Layers in `dilute` are then at lambda = 0 but still present: cut and fold them (surgery). Throws Error,
/// with epoch and batch, if the loss is not finite; Error, with file and remedy, if a state does not belong
/// to this run or (without `resume`) is that of an unfinished run; and Interrupted, after the state was
/// written, if a stop was requested. If the state can't be written, a warning is logged, the previous state
/// stays complete, and training continues.
///
/// A run that was killed and resumed gives the same weights as an uninterrupted one, bit for bit with the
/// same number of threads.
Trained train(model::Model& model, const data::Dataset& dataset, const TrainOptions& options);

/// Throws std::invalid_argument if the outputs of the two models' blocks can't be compared
/// (recipe.block_weight).
void check_streams(const ModelSpec& student, const ModelSpec& teacher);

/// Throws Error if `state_path` holds an unfinished run, because starting anew would discard hours of
/// training. Does nothing if there is no file.
void refuse_to_overwrite(const std::string& state_path);
/// The layers that the run of a training state dilutes; empty if there is no such file. Throws FormatError if
/// the file is not a training state.
std::optional<std::vector<int>> diluted_layers(const std::string& state_path);
/// The model of an unfinished run, as far as it was trained; null if there is no state, or one of a version
/// that did not store the model. Throws FormatError.
std::unique_ptr<model::Model> stored_model(const std::string& state_path);

}  // namespace vitrim::train
