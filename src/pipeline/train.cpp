#include "vitrim/pipeline/train.h"

#include <chrono>
#include <stdexcept>

#include "vitrim/analysis/layer_trace.h"
#include "vitrim/analysis/transfer_entropy.h"
#include "vitrim/eval/statistics.h"
#include "vitrim/surgery/remove_attention.h"

namespace vitrim::pipeline {

namespace {

// The model as it is at lambda, as a model of its own. `fold` says whether the factor 2 of removed layers
// goes into the weights, as in what is exported, or stays in the spec: entropies depend on scale, and folding
// would move them.
std::unique_ptr<model::Model> snapshot(const model::Model& model, const std::vector<int>& layers,
                                       double lambda, bool fold) {
  surgery::SpecAndWeights parts{model.spec(), {}};
  for (const auto& [name, tensor] : model.parameters().entries()) parts.weights.add(name, tensor.detach());
  if (!layers.empty())
    parts = fold || lambda > 0 ? surgery::dilute(parts, layers, lambda)
                               : surgery::remove_attention(parts, layers, 2.0);
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
  record.te = 0;  // what is gone carries nothing
  if (lambda == 0) return;
  analysis::TransferEntropyOptions te;
  te.replicates = 2;
  te.group = group;
  analysis::TransferEntropyScorer scorer(model, images, te);
  record.te = scorer.score({layers}).front().result.score.value;
}

}  // namespace

TrainRun train_run(model::Model& model, const data::Dataset& dataset, const TrainRunOptions& options) {
  if (options.train.keep_best && !options.validation) {
    throw std::invalid_argument(
        "[pipeline::train_run] the best epoch is chosen on validation images, and there are none");
  }
  const auto started = std::chrono::steady_clock::now();
  TrainRun out;
  TrainResult& result = out.result;
  const std::vector<int>& layers = options.train.dilute;
  result.removed = layers;
  result.recipe = train::to_json(options.train.recipe);
  // Diluting keeps the classes, so before and after can be compared; a new classifier knows nothing before.
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
    const auto model_now = snapshot(now, layers, lambda, /*fold=*/false);
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
    // Information moves in the weights that are trained; their average only follows.
    if (!options.track || ema) return;
    model_now->set_device(at::kCPU);  // a few images, and what measures them counts on the processor
    track(*model_now, layers, lambda, *options.track, options.train.group.get(), record);
  };
  const train::Trained trained = train::train(model, dataset, run);
  result.epochs = trained.epochs;
  result.chosen_epoch = trained.chosen_epoch;
  out.model = snapshot(model, layers, 0, /*fold=*/true);
  if (options.evaluation) {
    result.evaluation = eval::evaluate(*out.model, *options.evaluation, options.accuracy);
    if (result.dense) result.paired = eval::compare_paired(*result.dense, *result.evaluation);
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return out;
}

}  // namespace vitrim::pipeline
