#pragma once
// Computes loss and gradients of one optimiser step.

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "train/prefetch.h"
#include "vitrim/distributed/gradient_reducer.h"
#include "vitrim/train/batch_source.h"
#include "vitrim/train/gradients.h"
#include "vitrim/train/train.h"

namespace vitrim::train {

/// The trained parameters: all except those of layers that are diluted away.
struct Trainable {
  std::vector<std::string> names;
  std::vector<at::Tensor> tensors;
  std::vector<bool> decayed;  ///< true for matrices; false for biases, norms, layer scales, tokens and
                              ///< position embeddings (as in DeiT and timm)
};
Trainable trainable_parameters(const model::Model& model, const std::vector<model::BlockGain>& gains);

/// Computes the gradients of one step: on the cores of one process, or, with several ranks or on a GPU, with
/// one backward pass at a time whose gradients are reduced during the pass.
class GradientStep {
 public:
  GradientStep(const model::Model& model, const TrainOptions& options, const BatchSource& source,
               const Trainable& trainable);
  /// Loss and gradients of the global batch; equal on all ranks.
  BatchGradients run(int64_t step_of_epoch, const std::vector<model::BlockGain>& gains);

 private:
  at::Tensor loss(const Rows& rows, const std::vector<model::BlockGain>& gains) const;
  BatchGradients run_on_cores(int64_t step, const std::vector<model::BlockGain>& gains) const;
  const model::Model& model_;
  const TrainOptions& options_;
  const BatchSource& source_;
  std::vector<at::Tensor> parameters_;
  std::unique_ptr<distributed::GradientReducer> reducer_;
  std::unique_ptr<Prefetch> prefetch_;  // used on an accelerator only
};

/// Scales the gradients down to norm `limit` if their norm is larger; 0: no limit. Returns their norm before
/// scaling.
double clip_gradients(std::vector<at::Tensor>& gradients, double limit);

}  // namespace vitrim::train
