#pragma once
// `vitrim train` and `vitrim dilute` as functions: train, measure after every epoch, cut and fold what was
// diluted, evaluate.

#include <memory>
#include <optional>

#include "vitrim/core/train_artifacts.h"
#include "vitrim/data/loader.h"
#include "vitrim/eval/accuracy.h"
#include "vitrim/train/train.h"

namespace vitrim::pipeline {

struct TrainRunOptions {
  train::TrainOptions train;  ///< its `measure` is made here
  const data::Dataset* evaluation =
      nullptr;  ///< judges the result; its accuracy after every epoch is in the records, but chooses nothing
  const data::Dataset* validation = nullptr;  ///< chooses the best epoch where train.keep_best is set; then
                                              ///< its accuracy is in the records instead
  eval::AccuracyOptions accuracy;
  int64_t eval_every = 1;                   ///< epochs between evaluations; 0: only the result is evaluated
  const data::ImageBatch* track = nullptr;  ///< images on which entropies of all layers and TE of the diluted
                                            ///< set are measured after every epoch
};

struct TrainRun {
  std::unique_ptr<model::Model> model;  ///< without the diluted layers, factors folded
  TrainResult result;                   ///< manifest and names are left to the caller
};

/// Trains `model` in place (train::train) and returns what is to be exported: cut and folded. In between, the
/// model is evaluated as it is at that epoch's lambda.
TrainRun train_run(model::Model& model, const data::Dataset& dataset, const TrainRunOptions& options);

}  // namespace vitrim::pipeline
