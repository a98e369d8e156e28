#include "vitrim/train/adamw.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace vitrim::train {

AdamW::AdamW(std::vector<at::Tensor> parameters, AdamWOptions options, bool decay_vectors) : groups_(2), options_(options) {
  groups_[0].weight_decay = options.weight_decay;
  for (size_t i = 0; i < parameters.size(); ++i) {
    Group& group = groups_[!decay_vectors && parameters[i].dim() < 2 ? 1 : 0];
    group.members.push_back(i);
    group.parameters.push_back(parameters[i]);
    group.first.push_back(at::zeros_like(parameters[i]));
    group.second.push_back(at::zeros_like(parameters[i]));
    group.steps.push_back(at::zeros({}, at::kFloat));
  }
}

void AdamW::step(const std::vector<at::Tensor>& gradients, double learning_rate) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> unused;
  for (Group& group : groups_) {
    if (group.members.empty()) continue;
    std::vector<at::Tensor> own;
    for (size_t i : group.members) own.push_back(gradients[i]);
    for (at::Tensor& s : group.steps) s += 1;
    at::_fused_adamw_(group.parameters, own, group.first, group.second, unused, group.steps, learning_rate, options_.beta1,
                      options_.beta2, group.weight_decay, options_.eps, /*amsgrad=*/false, /*maximize=*/false);
  }
}

double cosine_schedule(int64_t step, int64_t steps, int64_t warm_up, double peak, double floor) {
  if (step < warm_up) return peak * static_cast<double>(step + 1) / static_cast<double>(warm_up);
  const double span = static_cast<double>(std::max<int64_t>(1, steps - warm_up));
  const double progress = std::min(1.0, static_cast<double>(step - warm_up) / span);
  return peak * (floor + (1 - floor) * 0.5 * (1 + std::cos(std::numbers::pi * progress)));
}

}  // namespace vitrim::train
