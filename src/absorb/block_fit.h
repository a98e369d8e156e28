#pragma once
// Fits one block of the student to the teacher's output of that block, by AdamW on sampled tokens.

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "vitrim/absorb/absorb.h"
#include "vitrim/core/random.h"
#include "vitrim/model/model.h"
#include "vitrim/train/adamw.h"

namespace vitrim::absorb {

/// A fit that can continue where it stopped: it keeps the optimiser's state and the random numbers.
class BlockFit {
 public:
  /// Fits the `count` blocks from `index` on together. `student` must outlive the fit.
  BlockFit(model::Model& student, int index, const AbsorbOptions& options, int count = 1);
  /// Runs `epochs` passes over the images in random order, in batches of options.fit_batch; the images of an
  /// incomplete batch are skipped. input is the student's stream before the first block, target the teacher's
  /// stream after the last one, both [n, N, C]. rate(step) is the learning rate of a step of this call,
  /// counted from 0. Afterwards the blocks have the new weights. Throws Error if the fit diverges.
  void run(const at::Tensor& input, const at::Tensor& target, int64_t epochs,
           const std::function<double(int64_t step)>& rate);
  /// The number of steps of one epoch over `images` images.
  int64_t steps(int64_t images) const;
  /// The state of the optimiser and of the random numbers, under names of the block; the weights are in the
  /// student.
  void put(FitState& state) const;
  void take(const FitState& state);

 private:
  model::Model& student_;
  int index_, last_;
  AbsorbOptions options_;
  std::vector<std::string> names_;
  std::vector<at::Tensor> leaves_;
  train::AdamW adam_;
  Random random_;
};

/// Fits for options.epochs epochs, with a warm-up and half a cosine.
void fit_block(model::Model& student, int index, const at::Tensor& input, const at::Tensor& target,
               const AbsorbOptions& options);
/// Fits the blocks `index` and `index` + 1 together, after each was fitted alone, for options.pair_epochs
/// epochs at a third of the learning rate. input is the student's stream before the first block, target the
/// teacher's stream after the second.
void fit_pair(model::Model& student, int index, const at::Tensor& input, const at::Tensor& target,
              const AbsorbOptions& options);

}  // namespace vitrim::absorb
