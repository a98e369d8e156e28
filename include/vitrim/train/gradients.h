#pragma once
// Computes the gradients of one batch on all cores.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace vitrim::train {

/// A range of a batch's rows, and how many of them go through one backward pass.
struct RowRange {
  int64_t begin = 0, end = 0;
  int64_t micro = 1 << 30;  ///< rows per backward pass; limits the memory and keeps activations in the caches
};

struct BatchGradients {
  double loss = 0;  ///< sum of the losses of all shares
  std::vector<at::Tensor>
      gradients;  ///< in the order of `parameters`; zeros if the loss does not depend on a parameter
};

/// Every worker (model/batches.h) calls `loss` on its share of the rows and differentiates it; the result is
/// the sum of their gradients. So `loss` must be a sum over rows, divided by whatever the whole batch needs.
BatchGradients batch_gradients(const std::vector<at::Tensor>& parameters, const RowRange& rows,
                               const std::function<at::Tensor(int64_t begin, int64_t end)>& loss);

}  // namespace vitrim::train
