#pragma once
// `vitrim quantize` as a function: a model's linear layers in int8, and what that changes.

#include <memory>

#include "vitrim/core/artifacts.h"
#include "vitrim/data/dataset.h"
#include "vitrim/data/loader.h"
#include "vitrim/eval/accuracy.h"
#include "vitrim/quantize/quantize.h"

namespace vitrim::pipeline {

struct QuantizedModel {
  std::unique_ptr<model::Model> model;
  CompressResult result;  ///< manifest, model and output names are left to the caller
};

/// `calibration` and `evaluation` may be null. With calibration images `held_out_kl` and `held_out_agreement`
/// are measured on them (a fit takes none); with `evaluation` both models are evaluated, paired.
QuantizedModel quantize(const model::Model& model, const data::ImageBatch* calibration,
                        const data::Dataset* evaluation, const eval::AccuracyOptions& accuracy,
                        const quantize::QuantizeOptions& options);

}  // namespace vitrim::pipeline
