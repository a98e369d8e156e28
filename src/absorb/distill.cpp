// The last stage of absorption: trains the whole student on the dense model's outputs.

#include <ATen/ATen.h>

#include <algorithm>
#include <stdexcept>

#include "absorb/closeness.h"
#include "absorb/fit_state.h"
#include "absorb/held_out.h"
#include "absorb/streams.h"
#include "vitrim/absorb/refine.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/distributed/group.h"
#include "vitrim/train/adamw.h"
#include "vitrim/train/gradients.h"
#include "vitrim/train/loss.h"
#include "vitrim/train/schedule.h"

namespace vitrim::absorb {

namespace {

// Number of rows in one backward pass on a core.
constexpr int64_t kMicroRows = 16;

// The loss, summed over the rows.
at::Tensor loss_of(const model::Model& student, const model::Model& teacher, const at::Tensor& pixels,
                   const DistillOptions& options) {
  model::Output wanted;
  {
    const at::NoGradGuard no_grad;
    wanted = teacher.forward(pixels);
  }
  const model::Output got = student.forward(pixels);
  const at::Tensor features =
      (got.features - wanted.features).square().sum(1) / wanted.features.square().sum(1).clamp_min(1e-30);
  at::Tensor loss = features.sum() * options.feature_weight;
  if (wanted.logits.defined())
    loss = loss + train::distillation_loss(got.logits, wanted.logits, options.temperature);
  return loss;
}

}  // namespace

AbsorbReport distill(model::Model& student, const model::Model& teacher, const ImageSource& source,
                     const data::ImageBatch& held_out, const AbsorbOptions& absorb,
                     const DistillOptions& options) {
  if (student.spec().segmentation) {
    throw std::invalid_argument(
        "[absorb::distill] models for segmentation can't be distilled as a whole; omit the distillation");
  }
  const int first = first_changed_block(student, teacher);
  distributed::Group& group = distributed::or_alone(absorb.group);
  HeldOut judge(student, teacher, held_out, absorb.batch_size, group);
  const FitState* kept = beginning(absorb);
  if (kept) judge.take(*kept);
  std::vector<std::string> names;
  std::vector<at::Tensor> leaves;
  for (int i = first; i < student.num_blocks(); ++i) {
    for (const std::string& name : student.block_parameters(i)) {
      names.push_back(name);
      leaves.push_back(student.parameter(name).detach().clone().requires_grad_(true));
    }
  }
  train::AdamW adam(leaves, {0.9, 0.99, 1e-8, 0.0});
  if (kept) take_moments(*kept, "adam", leaves.size(), adam);
  const int64_t batch = std::min(options.batch, source.size),
                chunks = (source.size + options.chunk - 1) / options.chunk;
  const auto bounds = [&](int64_t c) { return source.size * c / chunks; };
  int64_t steps_a_pass = 0;
  for (int64_t c = 0; c < chunks; ++c) steps_a_pass += (bounds(c + 1) - bounds(c)) / batch;
  const int64_t steps = steps_a_pass * options.epochs;
  const int64_t warm_up = std::max<int64_t>(1, std::min<int64_t>(50, steps / 10));
  Progress progress("distil", options.epochs * source.size, "views");
  const distributed::Share share = group.share(batch);
  const int64_t first_epoch = kept ? kept->done : 0;
  auto step = kept ? static_cast<int64_t>(take_number(*kept, "steps")) : 0;
  auto without_progress = kept ? static_cast<int64_t>(take_number(*kept, "without_progress")) : 0;
  for (int64_t epoch = first_epoch; epoch < options.epochs && without_progress < options.patience; ++epoch) {
    // Passes with other orders and views than those of refine().
    const int64_t pass = 1000 + epoch;
    const std::vector<int64_t> order = order_of_pass(source.size, absorb.seed, pass);
    for (int64_t c = 0; c < chunks; ++c) {
      const data::ImageBatch images =
          source.load(pass, {order.begin() + bounds(c), order.begin() + bounds(c + 1)});
      const at::AutoGradMode with_gradients(true);
      for (size_t i = 0; i < names.size(); ++i) student.bind_parameter(names[i], leaves[i]);
      for (int64_t begin = 0; begin + batch <= images.size(); begin += batch, ++step) {
        check_cancelled();
        const train::BatchGradients sums = train::batch_gradients(
            leaves, {begin + share.begin, begin + share.end, kMicroRows}, [&](int64_t from, int64_t to) {
              return loss_of(student, teacher, data::normalized(images, from, to), options) /
                     static_cast<double>(batch);
            });
        group.all_reduce(sums.gradients);
        adam.step(sums.gradients,
                  train::cosine_schedule(std::min(step, steps - 1), steps, warm_up, options.learning_rate));
      }
      for (size_t i = 0; i < names.size(); ++i) {
        if (!at::isfinite(leaves[i].detach()).all().item<bool>())
          throw Error("[absorb::distill] the training diverged; use a lower rate (distill.learning_rate)");
        student.bind_parameter(names[i], leaves[i].detach());
      }
      progress.advance(images.size());
    }
    const bool better =
        judge.look("distilled epoch " + std::to_string(epoch + 1) + " of " + std::to_string(options.epochs));
    without_progress = better ? 0 : without_progress + 1;
    if (absorb.keeper) {
      FitState state{epoch + 1, {}};
      judge.put(state);
      put_moments(adam, leaves.size(), "adam", state);
      put_number(static_cast<uint64_t>(step), "steps", state);
      put_number(static_cast<uint64_t>(without_progress), "without_progress", state);
      absorb.keeper->save(state);
    }
  }
  return judge.keep_best();
}

}  // namespace vitrim::absorb
