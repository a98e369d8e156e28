#include "vitrim/train/gradients.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "vitrim/model/batches.h"

namespace vitrim::train {

namespace {

void add(std::vector<at::Tensor>& sums, const std::vector<at::Tensor>& more) {
  if (sums.empty()) sums.resize(more.size());
  for (size_t g = 0; g < more.size(); ++g) {
    if (!more[g].defined()) continue;
    if (sums[g].defined()) {
      sums[g] += more[g];
    } else {
      sums[g] = more[g];
    }
  }
}

}  // namespace

BatchGradients batch_gradients(const std::vector<at::Tensor>& parameters, const RowRange& rows,
                               const std::function<at::Tensor(int64_t, int64_t)>& loss) {
  const auto workers = static_cast<size_t>(model::num_workers());
  std::vector<std::vector<at::Tensor>> shares(workers);
  std::vector<double> losses(workers, 0);
  model::for_each_batch(rows.end - rows.begin, rows.micro, [&](int worker, int64_t begin, int64_t end) {
    const at::Tensor value = loss(rows.begin + begin, rows.begin + end);
    losses[static_cast<size_t>(worker)] += value.item<double>();
    add(shares[static_cast<size_t>(worker)],
        torch::autograd::grad({value}, parameters, {}, std::nullopt, /*create_graph=*/false,
                              /*allow_unused=*/true));
  });
  BatchGradients out;
  out.gradients.resize(parameters.size());
  for (size_t w = 0; w < workers; ++w) {
    out.loss += losses[w];
    if (!shares[w].empty()) add(out.gradients, shares[w]);
  }
  for (size_t g = 0; g < parameters.size(); ++g) {
    if (!out.gradients[g].defined()) out.gradients[g] = at::zeros_like(parameters[g]);
  }
  return out;
}

}  // namespace vitrim::train
