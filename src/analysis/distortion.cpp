#include "vitrim/analysis/distortion.h"

#include <ATen/ATen.h>

namespace vitrim::analysis {

at::Tensor kl_per_image(const at::Tensor& dense_logits, const at::Tensor& changed_logits, double temperature) {
  const at::Tensor p = at::log_softmax(dense_logits.to(at::kDouble) / temperature, 1);
  const at::Tensor q = at::log_softmax(changed_logits.to(at::kDouble) / temperature, 1);
  return (p.exp() * (p - q)).sum(1);
}

double relative_error(const at::Tensor& dense, const at::Tensor& changed) {
  return ((changed - dense).norm() / dense.norm().clamp_min(1e-30)).item<double>();
}

double agreement(const at::Tensor& dense_logits, const at::Tensor& changed_logits) {
  return (dense_logits.argmax(1) == changed_logits.argmax(1)).to(at::kDouble).mean().item<double>();
}

}  // namespace vitrim::analysis
