#include "vitrim/train/adamw.h"

#include <ATen/ATen.h>

#include <stdexcept>

namespace vitrim::train {

AdamW::AdamW(std::vector<at::Tensor> parameters, AdamWOptions options, std::vector<bool> decayed)
    : parameters_(std::move(parameters)), decayed_(std::move(decayed)), options_(options) {
  if (decayed_.empty()) {
    for (const at::Tensor& p : parameters_) decayed_.push_back(p.dim() > 1);
  }
  if (decayed_.size() != parameters_.size())
    throw std::invalid_argument("[train::AdamW] one `decayed` for every parameter, or none");
  for (const at::Tensor& p : parameters_) {
    moments_.push_back(
        {at::zeros_like(p), at::zeros_like(p), at::zeros({}, p.options().requires_grad(false))});
  }
}

void AdamW::step(const std::vector<at::Tensor>& gradients, double learning_rate) {
  const at::NoGradGuard no_grad;
  for (bool decayed : {true, false}) {
    std::vector<at::Tensor> own, grads, first, second, steps, unused;
    for (size_t i = 0; i < parameters_.size(); ++i) {
      if (decayed_[i] != decayed) continue;
      moments_[i].steps += 1;
      own.push_back(parameters_[i]);
      grads.push_back(gradients[i]);
      first.push_back(moments_[i].first);
      second.push_back(moments_[i].second);
      steps.push_back(moments_[i].steps);
    }
    if (own.empty()) continue;
    at::_fused_adamw_(own, grads, first, second, unused, steps, learning_rate, options_.beta1, options_.beta2,
                      decayed ? options_.weight_decay : 0.0, options_.eps, /*amsgrad=*/false,
                      /*maximize=*/false);
  }
}

void AdamW::restore(size_t parameter, const Moments& moments) {
  if (moments.first.sizes() != parameters_[parameter].sizes() ||
      moments.second.sizes() != parameters_[parameter].sizes()) {
    throw std::invalid_argument(
        "[train::AdamW] the remembered moments have another shape than the parameter");
  }
  moments_[parameter].first.copy_(moments.first);
  moments_[parameter].second.copy_(moments.second);
  moments_[parameter].steps.copy_(moments.steps);
}

}  // namespace vitrim::train
