#include "train/step.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "vitrim/architecture/parameters.h"
#include "vitrim/model/batches.h"
#include "vitrim/train/loss.h"

namespace vitrim::train {

namespace {

// Number of rows in one backward pass on a core: enough for the matrix kernels, and few enough that
// activations stay in its caches (docs/performance.md).
constexpr int64_t kMicroRows = 32;

// Logits for every pixel of this many rows would be by far the largest tensors; 2^25 values are 128 MiB.
int64_t micro_rows(const ModelSpec& spec, int64_t crop) {
  if (!spec.segmentation) return kMicroRows;
  return std::clamp<int64_t>((int64_t{1} << 25) / (spec.num_classes * crop * crop), 1, kMicroRows);
}

// Converts pixels that are normalised for one model to the normalisation of another.
at::Tensor renormalised(const at::Tensor& images, const PreprocessSpec& from, const PreprocessSpec& to) {
  if (from.mean == to.mean && from.std == to.std) return images;
  std::vector<float> factor, offset;
  for (size_t c = 0; c < static_cast<size_t>(images.size(1)); ++c) {
    factor.push_back(static_cast<float>(from.std[c] / to.std[c]));
    offset.push_back(static_cast<float>((from.mean[c] - to.mean[c]) / to.std[c]));
  }
  auto channels = [&](const std::vector<float>& v) {
    return at::tensor(v).reshape({1, -1, 1, 1}).to(images.device());
  };
  return images * channels(factor) + channels(offset);
}

// Tokens and tables that encode positions: decay would pull them towards zero (DeiT, Swin and FLatten exclude
// them too).
bool is_position(const std::string& name) {
  for (const char* part :
       {"pos_embed", "cls_token", "dist_token", "reg_token", "relative_position_bias_table"}) {
    if (name.find(part) != std::string::npos) return true;
  }
  return false;
}

struct Taught {
  at::Tensor logits;
  std::vector<at::Tensor> streams;  // streams after every block
};

// The teacher's outputs; its streams only if they are needed.
Taught ask_teacher(const model::Model& teacher, const at::Tensor& images, bool with_streams) {
  const at::NoGradGuard no_grad;
  if (!with_streams) return {teacher.forward(images).logits, {}};
  Taught out;
  model::Intermediates intermediates;
  at::Tensor x = teacher.embed(images);
  for (int i = 0; i < teacher.num_blocks(); ++i) {
    x = teacher.run_block(i, x, model::kKeep, nullptr);
    teacher.keep_intermediate(i, x, intermediates);
    out.streams.push_back(x);
  }
  out.logits = teacher.finish(x, {}, intermediates).logits;
  return out;
}

}  // namespace

Trainable trainable_parameters(const model::Model& model, const std::vector<model::BlockGain>& gains) {
  Trainable out;
  for (const architecture::ParameterInfo& info : architecture::parameter_layout(model.spec())) {
    if (!info.used) continue;
    if (info.part == architecture::Part::kAttention && !gains.empty() &&
        gains[static_cast<size_t>(info.block)].branch == 0)
      continue;
    out.names.push_back(info.name);
    out.tensors.push_back(model.parameter(info.name));
    out.decayed.push_back(info.shape.size() > 1 && !is_position(info.name));
  }
  return out;
}

GradientStep::GradientStep(const model::Model& model, const TrainOptions& options, const BatchSource& source,
                           const Trainable& trainable)
    : model_(model), options_(options), source_(source), parameters_(trainable.tensors) {
  if (options.group && options.group->size() > 1)
    reducer_ = std::make_unique<distributed::GradientReducer>(parameters_, options.group);
  if (!model.device().is_cpu()) prefetch_ = std::make_unique<Prefetch>(source, model::num_workers());
}

at::Tensor GradientStep::loss(const Rows& rows, const std::vector<model::BlockGain>& gains) const {
  const Recipe& recipe = options_.recipe;
  const at::Device device = model_.device();
  const at::Tensor images = rows.images.to(device), targets = rows.targets.to(device);
  const at::Tensor keep = rows.keep.defined()
                              ? rows.keep.to(device, model_.compute_dtype()).unsqueeze(-1).unsqueeze(-1)
                              : at::Tensor();
  at::Tensor x = model_.embed(images);
  std::vector<at::Tensor> streams;  // streams after every block, if they are compared with the teacher's
  model::MergedTokens merged;
  model::Intermediates intermediates;
  for (int i = 0; i < model_.num_blocks(); ++i) {
    model::DropPath drop;
    if (keep.defined() && i > 0) drop = {keep[i][0], keep[i][1]};
    x = model_.run_block(i, x, gains[static_cast<size_t>(i)], nullptr, {drop, &merged});
    model_.keep_intermediate(i, x, intermediates);
    if (recipe.block_weight > 0) streams.push_back(x);
  }
  const model::Output out = model_.finish(x, merged, intermediates);
  // A model with a distillation token learns labels with one head and the teacher with the other.
  const at::Tensor& labelled = out.head.defined() ? out.head : out.logits;
  const at::Tensor& taught = out.head_dist.defined() ? out.head_dist : out.logits;
  at::Tensor value = model_.spec().segmentation
                         ? pixel_cross_entropy(labelled, targets, recipe.label_smoothing)
                         : soft_cross_entropy(labelled, targets);
  if (options_.teacher) {
    const Taught wanted =
        ask_teacher(*options_.teacher, renormalised(images, options_.preprocess, options_.teacher_preprocess),
                    recipe.block_weight > 0);
    value = value * (1 - recipe.distillation_weight) +
            distillation_loss(taught, wanted.logits, recipe.distillation_temperature) *
                recipe.distillation_weight;
    for (size_t i = 0; i < wanted.streams.size(); ++i) {
      value = value + stream_loss(streams[i], wanted.streams[i]) *
                          (recipe.block_weight / static_cast<double>(wanted.streams.size()));
    }
  } else if (out.head_dist.defined()) {
    value = (value + soft_cross_entropy(taught, targets)) * 0.5;
  }
  if (recipe.high_frequency_weight > 0)
    value = value - high_frequency_content(model::spread_tokens(x, merged), model_.spec()) *
                        recipe.high_frequency_weight;
  return value / static_cast<double>(recipe.batch_size);
}

BatchGradients GradientStep::run_on_cores(int64_t step, const std::vector<model::BlockGain>& gains) const {
  const int64_t batch = options_.recipe.batch_size;
  const RowRange rows{0, batch,
                      std::max<int64_t>(1, std::min(micro_rows(model_.spec(), options_.preprocess.crop),
                                                    batch / options_.recipe.accumulate))};
  return batch_gradients(parameters_, rows, [&](int64_t begin, int64_t end) {
    return loss(source_.rows(step, begin, end), gains);
  });
}

BatchGradients GradientStep::run(int64_t step, const std::vector<model::BlockGain>& gains) {
  if (!reducer_ && !prefetch_) return run_on_cores(step, gains);
  const int ranks = reducer_ ? options_.group->size() : 1, rank = reducer_ ? options_.group->rank() : 0;
  const int64_t share = options_.recipe.batch_size / ranks, first = share * rank;
  // On a CPU, the same small number of rows at a time as in run_on_cores().
  const int64_t most = model_.device().is_cpu() ? micro_rows(model_.spec(), options_.preprocess.crop) : share;
  const int64_t parts = std::max(options_.recipe.accumulate, (share + most - 1) / most);
  auto place = [&](int64_t at, int64_t part) {
    return Prefetch::StepRows{at, first + share * part / parts, first + share * (part + 1) / parts};
  };
  BatchGradients out;
  for (int64_t part = 0; part < parts; ++part) {
    const Prefetch::StepRows now = place(step, part);
    Prefetch::StepRows next = part + 1 < parts ? place(step, part + 1) : place(step + 1, 0);
    if (next.step >= source_.steps_per_epoch()) next = {};
    const Rows rows = prefetch_ ? prefetch_->take(now, next) : source_.rows(now.step, now.begin, now.end);
    const at::Tensor value = loss(rows, gains);
    out.loss += value.item<double>();
    if (reducer_) {
      reducer_->backward(value, part + 1 == parts);
    } else {
      value.backward();
    }
  }
  for (const at::Tensor& p : parameters_) {
    at::Tensor& grad = p.mutable_grad();
    // The reducer computes the mean over ranks of gradients that were already divided by the whole batch.
    out.gradients.push_back(grad.defined() ? (ranks > 1 ? grad * static_cast<double>(ranks) : grad.clone())
                                           : at::zeros_like(p));
    if (grad.defined()) grad.zero_();
  }
  return out;
}

double clip_gradients(std::vector<at::Tensor>& gradients, double limit) {
  std::vector<at::Tensor> norms = at::_foreach_norm(gradients);
  const double norm = at::stack(norms).to(at::kDouble).norm().item<double>();
  // torch.nn.utils.clip_grad_norm_ divides by the norm plus 1e-6.
  if (limit > 0 && norm > limit) at::_foreach_mul_(gradients, limit / (norm + 1e-6));
  return norm;
}

}  // namespace vitrim::train
