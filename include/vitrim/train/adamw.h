#pragma once
// AdamW over LibTorch's fused kernel.

#include <ATen/core/Tensor.h>

#include <vector>

namespace vitrim::train {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.0;  ///< decoupled, times the learning rate
};

/// AdamW (Loshchilov and Hutter) on float32 parameters, in place.
class AdamW {
 public:
  /// `decayed` says of each parameter whether weight decay applies to it; empty: to those with two dimensions
  /// or more.
  AdamW(std::vector<at::Tensor> parameters, AdamWOptions options, std::vector<bool> decayed = {});
  /// One step; gradients in the parameters' order.
  void step(const std::vector<at::Tensor>& gradients, double learning_rate);

  /// What an optimiser remembers of one parameter.
  struct Moments {
    at::Tensor first, second;  ///< of the parameter's shape
    at::Tensor steps;          ///< float32 scalar
  };
  const Moments& moments(size_t parameter) const { return moments_[parameter]; }
  /// Copies what an earlier optimiser remembered. Throws std::invalid_argument on another shape.
  void restore(size_t parameter, const Moments& moments);

 private:
  std::vector<at::Tensor> parameters_;
  std::vector<Moments> moments_;
  std::vector<bool> decayed_;
  AdamWOptions options_;
};

}  // namespace vitrim::train
