#include "vitrim/pipeline/quantize.h"

#include <ATen/ATen.h>

#include "pipeline/describe_models.h"
#include "pipeline/stopwatch.h"
#include "vitrim/analysis/distortion.h"

namespace vitrim::pipeline {

QuantizedModel quantize(const model::Model& model, const data::ImageBatch* calibration,
                        const data::Dataset* evaluation, const eval::AccuracyOptions& accuracy,
                        const quantize::QuantizeOptions& options) {
  QuantizedModel out;
  CompressResult& result = out.result;
  Stopwatch watch(result.seconds);
  quantize::Quantized quantized = quantize::quantize(model, options);
  out.model = std::move(quantized.model);
  result.quantization = std::move(quantized.figures);
  result.reason = std::to_string(result.quantization->layers.size()) + " linear layers in int8";
  describe_models(model.spec(), out.model->spec(), result);
  watch.lap("quantize");
  if (calibration && !model.spec().segmentation) {
    const model::Output before = analysis::outputs_of(model, *calibration, accuracy.batch_size),
                        after = analysis::outputs_of(*out.model, *calibration, accuracy.batch_size);
    result.features = analysis::compare_features(before.features, after.features);
    if (before.logits.defined()) {
      result.held_out_kl =
          analysis::kl_per_image(before.logits, after.logits, /*temperature=*/1).mean().item<double>();
      result.held_out_agreement = analysis::agreement(before.logits, after.logits);
    }
    watch.lap("measure");
  }
  if (evaluation) {
    evaluate_models(model, *out.model, *evaluation, accuracy, result);
    watch.lap("evaluate");
  }
  return out;
}

}  // namespace vitrim::pipeline
