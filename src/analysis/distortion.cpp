#include "vitrim/analysis/distortion.h"

#include <ATen/ATen.h>

#include <stdexcept>

#include "vitrim/model/batches.h"

namespace vitrim::analysis {

at::Tensor logits_of(const model::Model& model, const data::ImageBatch& images, int64_t batch_size) {
  if (model.spec().num_classes == 0)
    throw std::invalid_argument(
        "models are compared by class probabilities, but this model has no classifier");
  at::Tensor out = at::empty({images.size(), model.spec().num_classes});
  model::for_each_batch(images.size(), batch_size, [&](int, int64_t begin, int64_t end) {
    const at::NoGradGuard no_grad;
    out.slice(0, begin, end).copy_(model.forward(data::normalized(images, begin, end)).logits);
  });
  return out;
}

model::Output outputs_of(const model::Model& model, const data::ImageBatch& images, int64_t batch_size) {
  const ModelSpec& spec = model.spec();
  model::Output out;
  out.features = at::empty({images.size(), spec.feature_dim()});
  if (spec.num_classes > 0 && !spec.segmentation) out.logits = at::empty({images.size(), spec.num_classes});
  model::for_each_batch(images.size(), batch_size, [&](int, int64_t begin, int64_t end) {
    const at::NoGradGuard no_grad;
    const model::Output batch = model.forward(data::normalized(images, begin, end));
    out.features.slice(0, begin, end).copy_(batch.features);
    if (out.logits.defined()) out.logits.slice(0, begin, end).copy_(batch.logits);
  });
  return out;
}

FeatureFigures compare_features(const at::Tensor& dense, const at::Tensor& changed) {
  const at::Tensor a = dense.to(at::kDouble), b = changed.to(at::kDouble);
  const at::Tensor cosines =
      std::get<0>(((a * b).sum(1) / (a.norm(2, 1) * b.norm(2, 1)).clamp_min(1e-30)).sort());
  FeatureFigures out;
  out.images = cosines.size(0);
  if (out.images == 0) return out;
  out.cosine = cosines.mean().item<double>();
  out.cosine_p05 = cosines[out.images / 20].item<double>();
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
