#include "absorb/block_fit.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "absorb/fit_state.h"
#include "absorb/streams.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/distributed/group.h"
#include "vitrim/train/gradients.h"
#include "vitrim/train/schedule.h"

namespace vitrim::absorb {

namespace {

std::vector<at::Tensor> leaves_of(const model::Model& student, const std::vector<std::string>& names) {
  std::vector<at::Tensor> leaves;
  for (const std::string& name : names)
    leaves.push_back(student.parameter(name).detach().clone().requires_grad_(true));
  return leaves;
}

std::vector<std::string> names_of(const model::Model& student, int first, int last) {
  std::vector<std::string> names;
  for (int i = first; i <= last; ++i) {
    const std::vector<std::string> more = student.block_parameters(i);
    names.insert(names.end(), more.begin(), more.end());
  }
  return names;
}

}  // namespace

BlockFit::BlockFit(model::Model& student, int index, const AbsorbOptions& options, int count)
    : student_(student),
      index_(index),
      last_(index + count - 1),
      options_(options),
      names_(names_of(student, index, last_)),
      leaves_(leaves_of(student, names_)),
      adam_(leaves_, {0.9, 0.99, 1e-8, 0.0}),
      random_(options.seed, /*stream=*/0x666974 + static_cast<uint64_t>(index)) {}

int64_t BlockFit::steps(int64_t images) const { return images / std::min(options_.fit_batch, images); }

void BlockFit::run(const at::Tensor& input, const at::Tensor& target, int64_t epochs,
                   const std::function<double(int64_t step)>& rate) {
  const at::AutoGradMode with_gradients(true);  // independent of the caller's mode
  for (size_t i = 0; i < names_.size(); ++i) student_.bind_parameter(names_[i], leaves_[i]);
  const int64_t images = input.size(0), batch = std::min(options_.fit_batch, images);
  distributed::Group& group = distributed::or_alone(options_.group);
  const distributed::Share share = group.share(batch);
  for (int64_t epoch = 0, step = 0; epoch < epochs; ++epoch) {
    std::vector<int64_t> order = permutation(images, random_);
    for (int64_t cursor = 0; cursor + batch <= images; cursor += batch, ++step) {
      check_cancelled();
      const at::Tensor rows = at::from_blob(order.data() + cursor, {batch}, at::kLong).clone();
      const at::Tensor tokens = sample_tokens(student_.spec(), last_, options_.fit_patches, random_.next());
      const at::Tensor weight = token_weights(student_.spec(), tokens.size(0), options_.cls_weight);
      const double scale = 1 / (weight.sum().item<double>() * static_cast<double>(batch));
      const train::BatchGradients sums =
          train::batch_gradients(leaves_, {share.begin, share.end}, [&](int64_t begin, int64_t end) {
            const at::Tensor part = rows.slice(0, begin, end);
            const at::Tensor wanted = target.index_select(0, part).index_select(1, tokens);
            at::Tensor x = input.index_select(0, part);
            for (int i = index_; i < last_; ++i) x = student_.run_block(i, x, model::kKeep, nullptr);
            const at::Tensor got = student_.run_block_at(last_, x, tokens, nullptr);
            return ((got - wanted).square().mean(2) * weight).sum() * scale;
          });
      group.all_reduce(sums.gradients);
      adam_.step(sums.gradients, rate(step));
    }
  }
  for (size_t i = 0; i < names_.size(); ++i) {
    if (!at::isfinite(leaves_[i].detach()).all().item<bool>()) {
      throw Error("[absorb::fit_block] block " + std::to_string(index_) +
                  ": the fit diverged; use a lower rate for the blocks (fit.learning_rate)");
    }
    student_.bind_parameter(names_[i], leaves_[i].detach());
  }
}

void BlockFit::put(FitState& state) const {
  const std::string prefix = "block." + std::to_string(index_);
  put_moments(adam_, leaves_.size(), prefix, state);
  put_number(random_.state(), prefix + ".random", state);
}

void BlockFit::take(const FitState& state) {
  const std::string prefix = "block." + std::to_string(index_);
  take_moments(state, prefix, leaves_.size(), adam_);
  random_.set_state(take_number(state, prefix + ".random"));
}

namespace {

// Fits `count` blocks from `index` on, with a warm-up and half a cosine from the peak rate.
void fit_blocks(model::Model& student, int index, int count, const at::Tensor& input,
                const at::Tensor& target, const AbsorbOptions& options, int64_t epochs, double peak) {
  BlockFit fit(student, index, options, count);
  const int64_t steps = fit.steps(input.size(0)) * epochs;
  const int64_t warm_up = std::max<int64_t>(1, std::min<int64_t>(10, steps / 10));
  fit.run(input, target, epochs,
          [&](int64_t step) { return train::cosine_schedule(step, steps, warm_up, peak); });
}

}  // namespace

void fit_block(model::Model& student, int index, const at::Tensor& input, const at::Tensor& target,
               const AbsorbOptions& options) {
  fit_blocks(student, index, 1, input, target, options, options.epochs, options.learning_rate);
}

void fit_pair(model::Model& student, int index, const at::Tensor& input, const at::Tensor& target,
              const AbsorbOptions& options) {
  fit_blocks(student, index, 2, input, target, options, options.pair_epochs, options.learning_rate / 3);
}

}  // namespace vitrim::absorb
