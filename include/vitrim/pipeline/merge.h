#pragma once
// `vitrim merge` as a function: give a ViT a schedule of merged tokens, and say what it changes.

#include <cstdint>
#include <memory>
#include <string>

#include "vitrim/core/artifacts.h"
#include "vitrim/data/dataset.h"
#include "vitrim/data/loader.h"
#include "vitrim/eval/accuracy.h"
#include "vitrim/merge/choose.h"
#include "vitrim/model/model.h"

namespace vitrim::pipeline {

struct MergeOptions {
  std::string schedule;  ///< parse_schedule(); empty: from `target`
  std::string target;    ///< parse_macs() of the whole model
  int start = 0;         ///< of a constant schedule for `target`
  bool choose = false;   ///< find the schedule for `target` on the calibration images
  merge::ChooseOptions choosing;
  int64_t pictures = 6;  ///< calibration images whose merged tokens the result shows; 0: none
};

/// Refuses what can't be done, before any work: a family that can't merge, a wrong schedule, a target out of
/// reach. Throws std::invalid_argument.
void check_merge(const ModelSpec& spec, const MergeOptions& options);

struct Merged {
  std::unique_ptr<model::Model> model;
  CompressResult result;  ///< manifest, model and output names are left to the caller
};

/// The model's own schedule is replaced. `calibration` may be null unless options.choose; with it,
/// `held_out_kl` is measured on it; a chosen schedule is chosen on one half of the images and measured on the
/// other. With `evaluation` the model is evaluated without and with merging, paired.
Merged merge(const model::Model& model, const data::ImageBatch* calibration, const data::Dataset* evaluation,
             const eval::AccuracyOptions& accuracy, const MergeOptions& options);

}  // namespace vitrim::pipeline
