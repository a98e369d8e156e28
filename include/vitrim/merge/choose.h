#pragma once
// Finds a merging schedule on images: it merges where the output changes least per multiply-add that is
// saved.

#include <vector>

#include "vitrim/data/loader.h"
#include "vitrim/model/model.h"

namespace vitrim::merge {

struct ChooseOptions {
  int64_t step = 4;  ///< pairs that one step adds
  int64_t batch_size = 16;
};

struct Chosen {
  std::vector<int64_t> pairs;  ///< [num_blocks]
  double kl = 0;               ///< mean KL(unmerged || merged) over the images, nats
};

/// For each schedule: mean over the images of KL(softmax(unmerged) || softmax(merged)) of the model with this
/// schedule, in nats. The model's own schedule is ignored. Throws std::invalid_argument if the model has no
/// classifier.
std::vector<double> measure_schedules(const model::Model& model, const data::ImageBatch& images,
                                      const std::vector<std::vector<int64_t>>& schedules, int64_t batch_size);

/// Greedy choice: repeatedly adds `step` pairs to the block where they change the output least per
/// multiply-add saved (measured together with all pairs added before), until the model needs at most `macs`
/// multiply-adds. Cost: (pairs / step) x (blocks that merge) passes over the images. Throws
/// std::invalid_argument if no schedule reaches `macs`.
Chosen choose_schedule(const model::Model& model, const data::ImageBatch& images, int64_t macs,
                       const ChooseOptions& options = {});

}  // namespace vitrim::merge
