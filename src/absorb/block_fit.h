#pragma once
// Fits one whole block of the student to the teacher's output of that block by AdamW on sampled tokens.

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "vitrim/absorb/absorb.h"
#include "vitrim/core/random.h"
#include "vitrim/model/model.h"
#include "vitrim/train/adamw.h"

namespace vitrim::absorb {

/// A fit that goes on where it stopped: the optimiser remembers, and random draws go on.
class BlockFit {
 public:
  /// Fits the `count` blocks from `index` on together. `student` must outlive it.
  BlockFit(model::Model& student, int index, const AbsorbOptions& options, int count = 1);
  /// `epochs` times over the images in random order, in batches of options.fit_batch; images that fill no
  /// batch are left out. input: the student's stream before the block, target: the teacher's after it, both
  /// [n, N, C]. rate(step) is the learning rate of the call's step, from 0. Afterwards the block holds the
  /// new weights. Throws Error where the fit diverged.
  void run(const at::Tensor& input, const at::Tensor& target, int64_t epochs,
           const std::function<double(int64_t step)>& rate);
  /// Steps of one epoch over so many images.
  int64_t steps(int64_t images) const;
  /// What its optimiser and its random numbers remember, under names of its block; the weights are the
  /// student's.
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

/// options.epochs epochs with a warm-up and half a cosine.
void fit_block(model::Model& student, int index, const at::Tensor& input, const at::Tensor& target,
               const AbsorbOptions& options);
/// Fits the blocks `index` and `index` + 1 together, after each was fitted alone: options.pair_epochs epochs
/// at a third of the learning rate. input: the student's stream before the first, target: the teacher's after
/// the second.
void fit_pair(model::Model& student, int index, const at::Tensor& input, const at::Tensor& target,
              const AbsorbOptions& options);

}  // namespace vitrim::absorb
