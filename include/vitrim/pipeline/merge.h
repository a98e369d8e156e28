#pragma once
// `vitrim merge` as a function: gives a ViT a schedule of token merging and measures the effect.

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
  std::string schedule;  ///< as parse_schedule() reads it; empty: derived from `target`
  std::string target;    ///< MACs of the whole model, as parse_macs() reads them
  int start = 0;         ///< start of the constant schedule for `target`
  bool choose = false;   ///< choose the schedule for `target` on the calibration images
  merge::ChooseOptions choosing;
  int64_t pictures = 6;  ///< number of calibration images whose merged tokens the result shows; 0: none
};

/// Checks the options before any work. Throws std::invalid_argument if the family can't merge, the schedule
/// is wrong, or the target is out of reach.
void check_merge(const ModelSpec& spec, const MergeOptions& options);

struct Merged {
  std::unique_ptr<model::Model> model;
  CompressResult result;  ///< the caller fills in manifest, model and output names
};

/// Replaces the model's schedule. `calibration` may be null unless options.choose is set; with it,
/// `held_out_kl` is measured on it. A schedule that is chosen on images is chosen on one half of them and
/// measured on the other half. With `evaluation`, the model is evaluated without and with merging, and the
/// two are compared in pairs.
Merged merge(const model::Model& model, const data::ImageBatch* calibration, const data::Dataset* evaluation,
             const eval::AccuracyOptions& accuracy, const MergeOptions& options);

}  // namespace vitrim::pipeline
