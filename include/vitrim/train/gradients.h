#pragma once
// Gradients of one batch, computed by all cores.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace vitrim::train {

/// Some rows of a batch, and how many of them go through one backward pass at a time.
struct RowRange {
  int64_t begin = 0, end = 0;
  int64_t micro = 1 << 30;  ///< bounds the memory, and keeps activations in the caches
};

struct BatchGradients {
  double loss = 0;  ///< sum over the shares
  std::vector<at::Tensor>
      gradients;  ///< in the order of `parameters`; zeros where the loss does not depend on one
};

/// Every worker (model/batches.h) calls `loss` on its share of the rows and differentiates it; the sum of
/// their gradients is that of all rows, so `loss` must be a sum over rows (divided by what the whole batch
/// needs).
BatchGradients batch_gradients(const std::vector<at::Tensor>& parameters, const RowRange& rows,
                               const std::function<at::Tensor(int64_t begin, int64_t end)>& loss);

}  // namespace vitrim::train
