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
  /// `decayed` is true for the parameters to which weight decay applies; empty: it applies to all parameters
  /// with two or more dimensions.
  AdamW(std::vector<at::Tensor> parameters, AdamWOptions options, std::vector<bool> decayed = {});
  /// Takes one step; gradients are in the order of the parameters.
  void step(const std::vector<at::Tensor>& gradients, double learning_rate);

  /// The optimiser's state for one parameter.
  struct Moments {
    at::Tensor first, second;  ///< first and second moment, with the parameter's shape
    at::Tensor steps;          ///< float32 scalar
  };
  const Moments& moments(size_t parameter) const { return moments_[parameter]; }
  /// Restores the state of an earlier optimiser for one parameter. Throws std::invalid_argument on another
  /// shape.
  void restore(size_t parameter, const Moments& moments);

 private:
  std::vector<at::Tensor> parameters_;
  std::vector<Moments> moments_;
  std::vector<bool> decayed_;
  AdamWOptions options_;
};

}  // namespace vitrim::train
