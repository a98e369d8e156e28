#include "vitrim/pipeline/train.h"

#include <ATen/ATen.h>
#include <ATen/core/Reduction.h>

#include <chrono>
#include <stdexcept>

#include "vitrim/analysis/layer_trace.h"
#include "vitrim/analysis/transfer_entropy.h"
#include "vitrim/eval/statistics.h"
#include "vitrim/model/batches.h"
#include "vitrim/surgery/remove_attention.h"

namespace vitrim::pipeline {

namespace {

constexpr int64_t kHeldOutImages = 1000;

// The model at lambda, as a separate model. `fold`: whether the factor 2 of removed layers is folded into
// the weights, as in the exported model, or stays in the spec: entropies depend on scale, and folding would
// change them.
std::unique_ptr<model::Model> snapshot(const model::Model& model, const train::TrainOptions& options,
                                       double lambda, bool fold) {
  const std::vector<int>& layers = options.dilute;
  const double stream = options.absorb_first ? 1 : 2;
  surgery::SpecAndWeights parts{model.spec(), {}};
  for (const auto& [name, tensor] : model.parameters().entries()) parts.weights.add(name, tensor.detach());
  if (!layers.empty())
    parts = fold || lambda > 0 ? surgery::dilute(parts, layers, lambda, stream)
                               : surgery::remove_attention(parts, layers, stream);
  auto out = model::make_model(parts.spec, parts.weights);
  out->set_device(model.device());
  out->set_compute_dtype(model.compute_dtype());
  return out;
}

std::vector<double> values(const std::vector<Estimate>& estimates) {
  std::vector<double> out;
  for (const Estimate& e : estimates) out.push_back(e.value);
  return out;
}

void track(const model::Model& model, const std::vector<int>& layers, double lambda,
           const data::ImageBatch& images, distributed::Group* group, EpochRecord& record) {
  analysis::LayerTraceOptions options;
  options.group = group;
  options.other_estimator = false;
  options.replicates = 2;
  const analysis::LayerTrace trace = analysis::trace_layers(model, images, options);
  record.attention_entropy = values(trace.attention);
  record.mlp_entropy = values(trace.mlp);
  if (layers.empty()) return;
  record.te = 0;  // a removed layer carries nothing
  if (lambda == 0) return;
  analysis::TransferEntropyOptions te;
  te.replicates = 2;
  te.group = group;
  analysis::TransferEntropyScorer scorer(model, images, te);
  record.te = scorer.score({layers}).front().result.score.value;
}

// Some of the validation images, spread over all classes.
data::ImageBatch load_held_out(const model::Model& model, const TrainRunOptions& options) {
  if (!options.validation) {
    throw std::invalid_argument(
        "[pipeline::train_run] lambda falls by the loss on validation images, and there are none");
  }
  if (model.spec().segmentation)
    throw std::invalid_argument(
        "[pipeline::train_run] lambda falls by the loss of a classifier only; choose the schedule linear or "
        "cosine");
  data::LoadOptions load;
  load.preprocess = options.accuracy.preprocess;
  load.threads = options.accuracy.threads;
  load.max_corrupt = options.accuracy.max_corrupt;
  load.channels = data::image_channels(model.spec(), "the model");
  load.indices = data::spread_indices(options.validation->size(), kHeldOutImages);
  return data::load_images(*options.validation, load);
}

// Mean cross-entropy with the labels.
double mean_loss(const model::Model& model, const data::ImageBatch& images) {
  constexpr int64_t kBatch = 50;
  const at::Tensor labels = at::tensor(images.labels, at::kLong);
  at::Tensor losses = at::empty({images.size()}, at::kDouble);
  model::for_each_batch(images.size(), kBatch, [&](int, int64_t begin, int64_t end) {
    const at::NoGradGuard no_grad;
    const at::Tensor logits =
        model.forward(data::normalized(images, begin, end).to(model.device())).logits.cpu().to(at::kDouble);
    losses.slice(0, begin, end)
        .copy_(at::cross_entropy_loss(logits, labels.slice(0, begin, end), {}, at::Reduction::None));
  });
  return losses.mean().item<double>();
}

}  // namespace

TrainRun train_run(model::Model& model, const data::Dataset& dataset, const TrainRunOptions& options) {
  if (options.train.keep_best && !options.validation) {
    throw std::invalid_argument(
        "[pipeline::train_run] the best epoch is chosen on validation images, and there are none");
  }
  const bool by_held_out =
      !options.train.dilute.empty() && options.train.recipe.dilution_schedule == "held_out";
  data::ImageBatch held_out;
  if (by_held_out) held_out = load_held_out(model, options);
  const auto started = std::chrono::steady_clock::now();
  TrainRun out;
  TrainResult& result = out.result;
  const std::vector<int>& layers = options.train.dilute;
  result.removed = layers;
  result.recipe = train::to_json(options.train.recipe);
  // Dilution keeps the classes, so the models before and after can be compared; a new classifier is untrained
  // before.
  if (options.evaluation && !layers.empty())
    result.dense = eval::evaluate(model, *options.evaluation, options.accuracy);
  train::TrainOptions run = options.train;
  const data::Dataset* judged = options.validation ? options.validation : options.evaluation;
  run.measure = [&](const model::Model& now, double lambda, bool ema, EpochRecord& record) {
    const bool last = record.epoch == run.recipe.epochs;
    const bool evaluates =
        judged &&
        (run.keep_best || (options.eval_every > 0 && (record.epoch % options.eval_every == 0 || last)));
    if (!evaluates && !options.track) return;
    const auto model_now = snapshot(now, options.train, lambda, /*fold=*/false);
    if (evaluates) {
      eval::AccuracyOptions quick = options.accuracy;
      quick.pictures = 0;
      const EvalResult found = eval::evaluate(*model_now, *judged, quick);
      if (found.segmentation) {
        (ema ? record.ema_miou : record.miou) = found.segmentation->miou;
      } else {
        (ema ? record.ema_top1 : record.top1) = found.top1;
      }
    }
    // The trained weights are measured, because their average only follows them.
    if (!options.track || ema) return;
    model_now->set_device(at::kCPU);  // only a few images, and the measurement runs on the CPU
    track(*model_now, layers, lambda, *options.track, options.train.group.get(), record);
  };
  if (by_held_out) {
    run.held_out_loss = [&](const model::Model& now, double lambda) {
      return mean_loss(*snapshot(now, options.train, lambda, /*fold=*/false), held_out);
    };
  }
  const train::Trained trained = train::train(model, dataset, run);
  result.epochs = trained.epochs;
  result.chosen_epoch = trained.chosen_epoch;
  out.model = snapshot(model, options.train, 0, /*fold=*/true);
  if (options.evaluation) {
    result.evaluation = eval::evaluate(*out.model, *options.evaluation, options.accuracy);
    if (result.dense) result.paired = eval::compare_paired(*result.dense, *result.evaluation);
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return out;
}

}  // namespace vitrim::pipeline
