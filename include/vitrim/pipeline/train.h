#pragma once
// `vitrim train` and `vitrim dilute` as functions: they train, measure after every epoch, cut diluted layers
// and fold their factor, and evaluate.

#include <memory>
#include <optional>

#include "vitrim/core/train_artifacts.h"
#include "vitrim/data/loader.h"
#include "vitrim/eval/accuracy.h"
#include "vitrim/train/train.h"

namespace vitrim::pipeline {

struct TrainRunOptions {
  train::TrainOptions train;                  ///< options of the training; `measure` is set by train_run()
  const data::Dataset* evaluation = nullptr;  ///< images that evaluate the result; the accuracy on them after
                                              ///< every epoch is recorded, but chooses nothing
  const data::Dataset* validation = nullptr;  ///< images that choose the best epoch if train.keep_best is
                                              ///< set; then the accuracy on them is recorded instead
  eval::AccuracyOptions accuracy;
  int64_t eval_every = 1;                   ///< epochs between evaluations; 0: only the result is evaluated
  const data::ImageBatch* track = nullptr;  ///< images on which the entropies of all layers and the TE of the
                                            ///< diluted set are measured after every epoch
};

struct TrainRun {
  std::unique_ptr<model::Model> model;  ///< without the diluted layers, factors folded
  TrainResult result;                   ///< the caller fills in manifest and names
};

/// Trains `model` in place (train::train) and returns the model to export: diluted layers cut and their
/// factor folded into the weights. During training the model is evaluated at the lambda of that epoch.
TrainRun train_run(model::Model& model, const data::Dataset& dataset, const TrainRunOptions& options);

}  // namespace vitrim::pipeline
