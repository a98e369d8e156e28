#include "vitrim/train/train.h"

#include <ATen/ATen.h>

#include <chrono>
#include <cmath>

#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/core/random.h"
#include "vitrim/train/gradients.h"

namespace vitrim::train {

namespace {

at::Tensor normalise(const data::ImageBatch& images, const at::Tensor& rows) {
  data::ImageBatch part;
  part.pixels = images.pixels.index_select(0, rows);
  part.labels.resize(static_cast<size_t>(rows.size(0)));
  part.preprocess = images.preprocess;
  return data::normalized(part, 0, rows.size(0));
}

void clip(std::vector<at::Tensor>& gradients, double limit) {
  if (limit <= 0) return;
  double square = 0;
  for (const at::Tensor& g : gradients) square += g.square().sum().item<double>();
  const double norm = std::sqrt(square);
  if (norm <= limit) return;
  for (at::Tensor& g : gradients) g.mul_(limit / norm);
}

}  // namespace

std::vector<EpochLog> train(model::Model& model, const data::ImageBatch& images, const TrainOptions& options) {
  const int64_t n = images.size(), batches = n / options.batch_size;
  if (batches == 0) throw Error("training needs at least one batch of " + std::to_string(options.batch_size) + " images, got " + std::to_string(n));
  for (int64_t label : images.labels) {
    if (label < 0 || label >= model.spec().num_classes) {
      throw Error("label " + std::to_string(label) + " is none of the model's " + std::to_string(model.spec().num_classes) + " classes");
    }
  }
  const at::AutoGradMode with_gradients(true);  // whatever the caller set
  const at::Tensor labels = at::tensor(images.labels, at::kLong);
  model.set_requires_grad(true);
  std::vector<at::Tensor> parameters;
  for (const auto& [name, tensor] : model.parameters().entries()) parameters.push_back(tensor);
  AdamW optimiser(parameters, options.adamw);
  Random random(options.seed, /*stream=*/0x747261);
  const int64_t steps = batches * options.epochs;
  const auto warm_up = static_cast<int64_t>(options.warm_up_epochs * static_cast<double>(batches));
  Progress progress("train", steps * options.batch_size, "images");
  std::vector<EpochLog> logs;
  int64_t step = 0;
  for (int64_t epoch = 0; epoch < options.epochs; ++epoch) {
    const auto started = std::chrono::steady_clock::now();
    const std::vector<int64_t> order = permutation(n, random);
    double loss_sum = 0, rate = 0;
    for (int64_t b = 0; b < batches; ++b, ++step) {
      const std::vector<int64_t> picked(order.begin() + b * options.batch_size, order.begin() + (b + 1) * options.batch_size);
      const at::Tensor rows = at::tensor(picked, at::kLong);
      BatchGradients batch = batch_gradients(parameters, options.batch_size, [&](int64_t begin, int64_t end) {
        const at::Tensor part = rows.slice(0, begin, end);
        const at::Tensor logits = model.forward(normalise(images, part)).logits;
        return at::cross_entropy_loss(logits, labels.index_select(0, part), {}, at::Reduction::Sum, -100, options.label_smoothing) /
               static_cast<double>(options.batch_size);
      });
      if (!std::isfinite(batch.loss)) {
        throw Error("the loss is not finite at epoch " + std::to_string(epoch) + ", batch " + std::to_string(b) + "; use a lower --learning-rate");
      }
      clip(batch.gradients, options.clip_norm);
      rate = cosine_schedule(step, steps, warm_up, options.learning_rate);
      optimiser.step(batch.gradients, rate);
      loss_sum += batch.loss;
      progress.advance(options.batch_size);
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    logs.push_back({epoch, loss_sum / static_cast<double>(batches), rate, static_cast<double>(batches * options.batch_size) / seconds});
    char text[160];
    std::snprintf(text, sizeof text, "epoch %lld of %lld: loss %.4f, %.0f images a second", static_cast<long long>(epoch + 1),
                  static_cast<long long>(options.epochs), logs.back().loss, logs.back().images_per_second);
    log_info(text);
  }
  model.set_requires_grad(false);
  return logs;
}

}  // namespace vitrim::train
