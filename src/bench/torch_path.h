#pragma once
// A model on LibTorch, on the CPU or a GPU, as someone without vitrim's engine would run it.

#include <ATen/core/Tensor.h>

#include <memory>

#include "vitrim/model/model.h"

namespace vitrim::bench {

/// Waits until the GPU is done; nothing on the CPU.
void synchronize(bool cuda);

class TorchPath {
 public:
  TorchPath(const model::Model& model, bool bf16, const at::Tensor& images, bool cuda);
  /// One call, until its outputs are there.
  void run();
  const at::Tensor& outputs() const { return outputs_; }

 private:
  std::unique_ptr<model::Model> model_;
  at::Tensor images_, outputs_;
  bool cuda_;
};

}  // namespace vitrim::bench
