#pragma once
// A merging schedule found on images: where merging changes the output least for what it saves.

#include <vector>

#include "vitrim/data/loader.h"
#include "vitrim/model/model.h"

namespace vitrim::merge {

struct ChooseOptions {
  int64_t step = 4;  ///< pairs added at a time
  int64_t batch_size = 16;
};

struct Chosen {
  std::vector<int64_t> pairs;  ///< [num_blocks]
  double kl = 0;               ///< mean KL(unmerged || merged) over the images, nats
};

/// Mean KL(softmax(unmerged) || softmax(merged)) over the images, nats, of the model with each of these
/// schedules. The model's own schedule does not count. Throws std::invalid_argument without a classifier.
std::vector<double> measure_schedules(const model::Model& model, const data::ImageBatch& images,
                                      const std::vector<std::vector<int64_t>>& schedules, int64_t batch_size);

/// Adds `step` pairs at a time where they change the output least for the multiply-adds they save (measured
/// with all that was added before), until at most `macs` are left. Cost: (pairs / step) x (blocks that merge)
/// passes over the images. Throws std::invalid_argument where no schedule reaches `macs`.
Chosen choose_schedule(const model::Model& model, const data::ImageBatch& images, int64_t macs,
                       const ChooseOptions& options = {});

}  // namespace vitrim::merge
