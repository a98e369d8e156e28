#include "vitrim/analysis/distortion.h"

#include <ATen/ATen.h>

#include <stdexcept>

#include "vitrim/model/batches.h"

namespace vitrim::analysis {

at::Tensor logits_of(const model::Model& model, const data::ImageBatch& images, int64_t batch_size) {
  if (model.spec().num_classes == 0)
    throw std::invalid_argument("models are compared by what the classifier says, and this one has none");
  at::Tensor out = at::empty({images.size(), model.spec().num_classes});
  model::for_each_batch(images.size(), batch_size, [&](int, int64_t begin, int64_t end) {
    const at::NoGradGuard no_grad;
    out.slice(0, begin, end).copy_(model.forward(data::normalized(images, begin, end)).logits);
  });
  return out;
}

at::Tensor kl_per_image(const at::Tensor& dense_logits, const at::Tensor& changed_logits,
                        double temperature) {
  const at::Tensor p = at::log_softmax(dense_logits.to(at::kDouble) / temperature, 1);
  const at::Tensor q = at::log_softmax(changed_logits.to(at::kDouble) / temperature, 1);
  const at::Tensor divergence = (p.exp() * (p - q)).sum(1);
  return divergence.dim() == 1 ? divergence : divergence.flatten(1).mean(1);
}

double relative_error(const at::Tensor& dense, const at::Tensor& changed) {
  return ((changed - dense).norm() / dense.norm().clamp_min(1e-30)).item<double>();
}

double agreement(const at::Tensor& dense_logits, const at::Tensor& changed_logits) {
  return (dense_logits.argmax(1) == changed_logits.argmax(1)).to(at::kDouble).mean().item<double>();
}

}  // namespace vitrim::analysis
