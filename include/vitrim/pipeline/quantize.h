#pragma once
// `vitrim quantize` as a function: a model's linear layers in int8, and what that changes.

#include <memory>

#include "vitrim/core/artifacts.h"
#include "vitrim/data/dataset.h"
#include "vitrim/data/loader.h"
#include "vitrim/eval/accuracy.h"
#include "vitrim/quantize/calibrate.h"
#include "vitrim/quantize/quantize.h"

namespace vitrim::pipeline {

struct QuantizedModel {
  std::unique_ptr<model::Model> model;
  CompressResult result;  ///< manifest, model and output names are left to the caller
};

/// `calibration` and `evaluation` may be null. With calibration images the model is fitted to them
/// (quantize::calibrate), and `held_out_kl` and `held_out_agreement` are those of images kept out; with
/// `evaluation` both models are evaluated, paired.
QuantizedModel quantize(const model::Model& model, const data::ImageBatch* calibration,
                        const data::Dataset* evaluation, const eval::AccuracyOptions& accuracy,
                        const quantize::QuantizeOptions& options,
                        const quantize::CalibrateOptions& calibrate = {});

/// Images that quantize_last() calibrates on at most.
inline constexpr int64_t kQuantizingImages = 200;

/// The last step of a pipeline: its model becomes int8, calibrated on kQuantizingImages of `images` (null:
/// the plain form), and `result` speaks of the int8 model from then on; its KL and agreement are those to
/// `dense` on `judges` (null: they stay). `evaluation` may be null.
void quantize_last(const model::Model& dense, std::unique_ptr<model::Model>& model, CompressResult& result,
                   const data::ImageBatch* images, const data::ImageBatch* judges,
                   const data::Dataset* evaluation, const eval::AccuracyOptions& accuracy,
                   const quantize::CalibrateOptions& calibrate);

}  // namespace vitrim::pipeline
