#pragma once
// `vitrim quantize` as a function: converts a model's linear layers to int8 and measures the effect.

#include <memory>

#include "vitrim/core/artifacts.h"
#include "vitrim/data/dataset.h"
#include "vitrim/data/loader.h"
#include "vitrim/eval/accuracy.h"
#include "vitrim/pipeline/compress.h"
#include "vitrim/quantize/calibrate.h"
#include "vitrim/quantize/quantize.h"

namespace vitrim::pipeline {

struct QuantizedModel {
  std::unique_ptr<model::Model> model;
  CompressResult result;  ///< the caller fills in manifest, model and output names
};

/// Quantises a model. `calibration` and `evaluation` may be null. With calibration images, the int8 layers
/// are fitted to them (quantize::calibrate), and `held_out_kl` and `held_out_agreement` are measured on
/// held-out images. With `evaluation`, both models are evaluated and compared in pairs.
QuantizedModel quantize(const model::Model& model, const data::ImageBatch* calibration,
                        const data::Dataset* evaluation, const eval::AccuracyOptions& accuracy,
                        const quantize::QuantizeOptions& options,
                        const quantize::CalibrateOptions& calibrate = {});

/// The largest number of images that quantize_last() calibrates on.
inline constexpr int64_t kQuantizingImages = 200;

/// The last step of a pipeline: replaces its model by an int8 model that is calibrated on kQuantizingImages
/// of `images` (null: no calibration), and updates `result` to describe the int8 model. KL divergence and
/// agreement are then measured against `dense` on `judges` (null: they keep their values). `evaluation` may
/// be null.
void quantize_last(const model::Model& dense, std::unique_ptr<model::Model>& model, CompressResult& result,
                   const data::ImageBatch* images, const data::ImageBatch* judges,
                   const data::Dataset* evaluation, const eval::AccuracyOptions& accuracy,
                   const quantize::CalibrateOptions& calibrate);
/// The same for a model that was fitted with `fitted` on some of `images`: those calibrate, the others judge.
void quantize_last(const model::Model& dense, Compressed& made, const data::ImageBatch& images,
                   const absorb::AbsorbOptions& fitted, const data::Dataset* evaluation,
                   const eval::AccuracyOptions& accuracy, const quantize::CalibrateOptions& calibrate);

}  // namespace vitrim::pipeline
