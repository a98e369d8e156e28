#include "bench/torch_path.h"

#include <ATen/ATen.h>

#include <stdexcept>

namespace vitrim::bench {

void synchronize(bool cuda) {
  // Reading one number waits for all that was asked before it on the stream; it needs no CUDA header, so one build serves both.
  if (cuda) at::zeros({1}, at::TensorOptions(at::kFloat).device(at::kCUDA)).item<float>();
}

TorchPath::TorchPath(const model::Model& model, bool bf16, const at::Tensor& images, bool cuda) : model_(model.clone()), images_(images), cuda_(cuda) {
  model_->set_compute_dtype(bf16 ? at::kBFloat16 : at::kFloat);
  if (!cuda) return;
  if (!at::hasCUDA()) throw std::invalid_argument("there is no GPU that LibTorch can use; leave --device cuda out");
  model_->set_device(at::kCUDA);
  images_ = images.to(at::kCUDA);
}

void TorchPath::run() {
  const at::NoGradGuard no_grad;
  const model::Output out = model_->forward(images_);
  outputs_ = out.logits.defined() ? out.logits : out.features;
  synchronize(cuda_);
}

}  // namespace vitrim::bench
