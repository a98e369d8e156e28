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

/// AdamW (Loshchilov and Hutter) on float32 parameters, in place. Parameters with fewer than two dimensions (biases, norms, layer scale) are
/// not decayed where `decay_vectors` is false, as DeiT and timm do.
class AdamW {
 public:
  AdamW(std::vector<at::Tensor> parameters, AdamWOptions options, bool decay_vectors = false);
  /// One step; gradients in the parameters' order.
  void step(const std::vector<at::Tensor>& gradients, double learning_rate);

 private:
  struct Group {
    std::vector<size_t> members;
    std::vector<at::Tensor> parameters, first, second, steps;
    double weight_decay = 0;
  };
  std::vector<Group> groups_;
  AdamWOptions options_;
};

/// Linear warm-up over `warm_up` steps, then half a cosine down to `floor` times the peak. `step` counts from 0.
double cosine_schedule(int64_t step, int64_t steps, int64_t warm_up, double peak, double floor = 0.0);

}  // namespace vitrim::train
