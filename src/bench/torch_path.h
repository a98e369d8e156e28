#pragma once
// A model on LibTorch, on the CPU or a GPU, as a user without vitrim's engine would run it.

#include <ATen/core/GraphImplInterface.h>
#include <ATen/core/Tensor.h>

#include <memory>

#include "vitrim/model/model.h"

namespace vitrim::bench {

/// Waits until the GPU is done; nothing on the CPU.
void synchronize(bool cuda);

class TorchPath {
 public:
  /// On a GPU the forward pass is recorded as a CUDA graph, if LibTorch supports them; a pass that can't be
  /// recorded runs without one, with a warning.
  TorchPath(const model::Model& model, bool bf16, const at::Tensor& images, bool cuda);
  /// Makes one call and waits for its outputs.
  void run();
  const at::Tensor& outputs() const { return outputs_; }

 private:
  void forward();
  void record();

  std::unique_ptr<model::Model> model_;
  at::Tensor images_, outputs_;
  bool cuda_;
  std::unique_ptr<at::GraphImplInterface> graph_;
};

}  // namespace vitrim::bench
