#pragma once
// Gradients of one batch, computed by all cores.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace vitrim::train {

struct BatchGradients {
  double loss = 0;                      ///< sum over the shares
  std::vector<at::Tensor> gradients;    ///< in the order of `parameters`; zeros where the loss does not depend on one
};

/// Every worker (model/batches.h) calls `loss` on its share [begin, end) of a batch of `batch` rows and differentiates it; the sum of their
/// gradients is that of the whole batch, so `loss` must be a sum over rows (divided by what the whole batch needs).
BatchGradients batch_gradients(const std::vector<at::Tensor>& parameters, int64_t batch,
                               const std::function<at::Tensor(int64_t begin, int64_t end)>& loss);

}  // namespace vitrim::train
