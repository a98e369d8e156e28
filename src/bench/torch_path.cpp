#include "bench/torch_path.h"

#include <ATen/ATen.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <stdexcept>
#include <string>

#include "vitrim/core/log.h"

namespace vitrim::bench {

void synchronize(bool cuda) {
  // Reading one number waits for all earlier work on the stream. It needs no CUDA header, so one build serves
  // CPU and GPU.
  if (cuda) at::zeros({1}, at::TensorOptions(at::kFloat).device(at::kCUDA)).item<float>();
}

TorchPath::TorchPath(const model::Model& model, bool bf16, const at::Tensor& images, bool cuda)
    : model_(model.clone()), images_(images), cuda_(cuda) {
  model_->set_compute_dtype(bf16 ? at::kBFloat16 : at::kFloat);
  if (!cuda) return;
  if (!at::hasCUDA())
    throw std::invalid_argument("there is no GPU that LibTorch can use; leave --device cuda out");
  model_->set_device(at::kCUDA);
  images_ = images.to(at::kCUDA);
  if (!at::has_graph_impl(at::kCUDA)) return;
  try {
    record();
  } catch (const c10::Error& e) {
    graph_.reset();
    log_warning(std::string("no CUDA graph of this model, it is timed without: ") +
                e.what_without_backtrace());
  }
}

void TorchPath::forward() {
  const at::NoGradGuard no_grad;
  const model::Output out = model_->forward(images_);
  outputs_ = out.logits.defined() ? out.logits : out.features;
}

// LibTorch's interface to graphs on any accelerator, which needs no CUDA header, so one build serves CPU and
// GPU.
void TorchPath::record() {
  const c10::impl::VirtualGuardImpl device(at::kCUDA);
  {
    const c10::StreamGuard side(
        device.getStreamFromGlobalPool(images_.device()));  // the default stream can't be recorded
    for (int i = 0; i < 2; ++i)
      forward();  // the warm-up lets libraries choose their algorithms and casts the weights
    synchronize(true);
    graph_ = at::create_graph_impl(at::kCUDA);
    graph_->capture_begin();
    forward();
    graph_->capture_end();
  }
  graph_->replay();
  synchronize(true);
}

void TorchPath::run() {
  if (graph_) {
    graph_->replay();
  } else {
    forward();
  }
  synchronize(cuda_);
}

}  // namespace vitrim::bench
