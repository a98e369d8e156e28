#include "vitrim/train/gradients.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "vitrim/model/batches.h"

namespace vitrim::train {

BatchGradients batch_gradients(const std::vector<at::Tensor>& parameters, int64_t batch,
                               const std::function<at::Tensor(int64_t, int64_t)>& loss) {
  const auto workers = static_cast<size_t>(model::num_workers());
  std::vector<std::vector<at::Tensor>> shares(workers);
  std::vector<double> losses(workers, 0);
  model::for_each_batch(batch, batch, [&](int worker, int64_t begin, int64_t end) {
    const at::Tensor value = loss(begin, end);
    losses[static_cast<size_t>(worker)] = value.item<double>();
    shares[static_cast<size_t>(worker)] =
        torch::autograd::grad({value}, parameters, {}, std::nullopt, /*create_graph=*/false, /*allow_unused=*/true);
  });
  BatchGradients out;
  out.gradients.resize(parameters.size());
  for (size_t w = 0; w < workers; ++w) {
    out.loss += losses[w];
    for (size_t g = 0; g < shares[w].size(); ++g) {
      if (!shares[w][g].defined()) continue;
      if (out.gradients[g].defined()) {
        out.gradients[g] += shares[w][g];
      } else {
        out.gradients[g] = shares[w][g];
      }
    }
  }
  for (size_t g = 0; g < parameters.size(); ++g) {
    if (!out.gradients[g].defined()) out.gradients[g] = at::zeros_like(parameters[g]);
  }
  return out;
}

}  // namespace vitrim::train
