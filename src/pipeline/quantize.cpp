#include "vitrim/pipeline/quantize.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <optional>

#include "pipeline/describe_models.h"
#include "pipeline/stopwatch.h"
#include "vitrim/absorb/absorb.h"
#include "vitrim/analysis/distortion.h"

namespace vitrim::pipeline {

namespace {

std::string said(const QuantizationFigures& figures) {
  const auto int8 = std::count_if(figures.layers.begin(), figures.layers.end(),
                                  [](const QuantizedLayer& layer) { return layer.int8; });
  const bool int4 = std::any_of(figures.layers.begin(), figures.layers.end(),
                                [](const QuantizedLayer& layer) { return layer.weight_bits == 4; });
  return std::to_string(int8) + " of " + std::to_string(figures.layers.size()) + " linear layers in int8" +
         (int4 ? ", their weights in 4 bits" : "");
}

// Sets the model and the figures of the fit; nothing is measured here.
void make(const model::Model& model, const data::ImageBatch* calibration,
          const quantize::QuantizeOptions& options, const quantize::CalibrateOptions& calibrate,
          QuantizedModel& out) {
  CompressResult& result = out.result;
  quantize::Quantized quantized = calibration ? quantize::calibrate(model, *calibration, options, calibrate)
                                              : quantize::quantize(model, options);
  out.model = std::move(quantized.model);
  result.quantization = std::move(quantized.figures);
  if (calibration) {
    result.held_out_kl = result.quantization->kl;
    result.held_out_agreement = result.quantization->agreement;
  }
  result.reason = said(*result.quantization);
}

}  // namespace

QuantizedModel quantize(const model::Model& model, const data::ImageBatch* calibration,
                        const data::Dataset* evaluation, const eval::AccuracyOptions& accuracy,
                        const quantize::QuantizeOptions& options,
                        const quantize::CalibrateOptions& calibrate) {
  QuantizedModel out;
  CompressResult& result = out.result;
  Stopwatch watch(result.seconds);
  make(model, calibration, options, calibrate, out);
  describe_models(model.spec(), out.model->spec(), result);
  watch.lap("quantize");
  if (calibration && !model.spec().segmentation) {
    absorb::AbsorbOptions split;  // the same split as in calibrate()
    split.held_out = calibrate.held_out;
    split.seed = calibrate.seed;
    const data::ImageBatch kept = absorb::held_out_images(*calibration, split);
    result.features =
        analysis::compare_features(analysis::outputs_of(model, kept, calibrate.batch_size).features,
                                   analysis::outputs_of(*out.model, kept, calibrate.batch_size).features);
    watch.lap("measure");
  }
  if (evaluation) {
    evaluate_models(model, *out.model, *evaluation, accuracy, result);
    watch.lap("evaluate");
  }
  return out;
}

void quantize_last(const model::Model& dense, std::unique_ptr<model::Model>& model, CompressResult& result,
                   const data::ImageBatch* images, const data::ImageBatch* judges,
                   const data::Dataset* evaluation, const eval::AccuracyOptions& accuracy,
                   const quantize::CalibrateOptions& calibrate) {
  Stopwatch watch(result.seconds);
  std::optional<data::ImageBatch> some;
  if (images) some = data::select_images(*images, data::spread_indices(images->size(), kQuantizingImages));
  QuantizedModel made;
  make(*model, some ? &*some : nullptr, {}, calibrate, made);
  model = std::move(made.model);
  result.quantization = std::move(made.result.quantization);
  result.reason += "; " + made.result.reason;
  describe_models(dense.spec(), model->spec(), result);
  watch.lap("quantize");
  if (judges && !dense.spec().segmentation) {
    const model::Output before = analysis::outputs_of(dense, *judges, calibrate.batch_size),
                        after = analysis::outputs_of(*model, *judges, calibrate.batch_size);
    result.features = analysis::compare_features(before.features, after.features);
    if (before.logits.defined()) {
      result.held_out_kl = analysis::kl_per_image(before.logits, after.logits).mean().item<double>();
      result.held_out_agreement = analysis::agreement(before.logits, after.logits);
    }
    watch.lap("measure");
  }
  if (evaluation) {
    evaluate_models(dense, *model, *evaluation, accuracy, result);
    watch.lap("evaluate");
  }
}

void quantize_last(const model::Model& dense, Compressed& made, const data::ImageBatch& images,
                   const absorb::AbsorbOptions& fitted, const data::Dataset* evaluation,
                   const eval::AccuracyOptions& accuracy, const quantize::CalibrateOptions& calibrate) {
  const data::ImageBatch fit = absorb::fit_images(images, fitted),
                         judges = absorb::held_out_images(images, fitted);
  quantize_last(dense, made.model, made.result, &fit, &judges, evaluation, accuracy, calibrate);
}

}  // namespace vitrim::pipeline
