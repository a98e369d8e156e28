#include "absorb/block_fit.h"

#include <ATen/ATen.h>

#include "absorb/streams.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/core/random.h"
#include "vitrim/distributed/group.h"
#include "vitrim/train/adamw.h"
#include "vitrim/train/gradients.h"
#include "vitrim/train/schedule.h"

namespace vitrim::absorb {

void fit_block(model::Model& student, int index, const at::Tensor& input, const at::Tensor& target,
               const AbsorbOptions& options) {
  const at::AutoGradMode with_gradients(true);  // whatever the caller set
  const std::vector<std::string> names = student.block_parameters(index);
  std::vector<at::Tensor> leaves;
  for (const std::string& name : names) {
    leaves.push_back(student.parameter(name).detach().clone().requires_grad_(true));
    student.bind_parameter(name, leaves.back());
  }
  train::AdamW adam(leaves, {0.9, 0.99, 1e-8, 0.0});
  const int64_t images = input.size(0), batch = std::min(options.fit_batch, images);
  const int64_t steps_an_epoch = images / batch, steps = steps_an_epoch * options.epochs;
  const int64_t warm_up = std::max<int64_t>(1, std::min<int64_t>(10, steps / 10));
  Random random(options.seed, /*stream=*/0x666974 + static_cast<uint64_t>(index));
  distributed::Group& group = distributed::or_alone(options.group);
  const distributed::Share share = group.share(batch);
  std::vector<int64_t> order;
  for (int64_t step = 0, cursor = images; step < steps; ++step, cursor += batch) {
    check_cancelled();
    if (step % steps_an_epoch == 0) {
      order = permutation(images, random);
      cursor = 0;
    }
    const at::Tensor rows = at::from_blob(order.data() + cursor, {batch}, at::kLong).clone();
    const at::Tensor tokens = sample_tokens(student.spec(), index, options.fit_patches, random.next());
    const at::Tensor weight = token_weights(student.spec(), tokens.size(0), options.cls_weight);
    const double scale = 1 / (weight.sum().item<double>() * static_cast<double>(batch));
    const train::BatchGradients sums =
        train::batch_gradients(leaves, {share.begin, share.end}, [&](int64_t begin, int64_t end) {
          const at::Tensor part = rows.slice(0, begin, end);
          const at::Tensor wanted = target.index_select(0, part).index_select(1, tokens);
          const at::Tensor got = student.run_block_at(index, input.index_select(0, part), tokens, nullptr);
          return ((got - wanted).square().mean(2) * weight).sum() * scale;
        });
    group.all_reduce(sums.gradients);
    adam.step(sums.gradients, train::cosine_schedule(step, steps, warm_up, options.learning_rate));
  }
  for (size_t i = 0; i < names.size(); ++i) {
    if (!at::isfinite(leaves[i].detach()).all().item<bool>()) {
      throw Error(
          "[absorb::fit_block] block " + std::to_string(index) +
          ": the fit diverged; use a lower rate for the blocks (--learning-rate; in prune --block-rate)");
    }
    student.bind_parameter(names[i], leaves[i].detach());
  }
}

}  // namespace vitrim::absorb
