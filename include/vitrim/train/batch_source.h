#pragma once
// From a data set to what one training step sees: augmented, normalised, mixed images, soft targets and
// stochastic depth.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <mutex>
#include <set>
#include <vector>

#include "vitrim/core/model_spec.h"
#include "vitrim/data/dataset.h"
#include "vitrim/train/recipe.h"
#include "vitrim/train/sampler.h"

namespace vitrim::train {

/// Some rows of one step's batch.
struct Rows {
  at::Tensor images;   ///< float32 [n, channels, crop, crop], normalised
  at::Tensor targets;  ///< float32 [n, classes]: label smoothing and mixing are in it; for segmentation uint8
                       ///< [n, crop, crop], a class a pixel
  at::Tensor keep;     ///< float32 [depth, 2, n]: stochastic depth of attention and MLP, 0 or 1 / (1 - rate);
                       ///< undefined where the rate is 0
};

struct BatchSourceOptions {
  PreprocessSpec preprocess;
  Task task = Task::kClassification;
  int64_t channels = 3;  ///< of images, as in data::LoadOptions
  int64_t num_classes = 0;
  int64_t depth = 0;  ///< blocks, for stochastic depth: its rate grows linearly from 0 to recipe.drop_path at
                      ///< the last block
  int ranks = 1;
  uint64_t seed = 0;
  int64_t max_corrupt = 0;  ///< corrupt images for which the next one in the data set stands in
};

/// Assembles batches. All randomness is a function of seed, epoch, step and row, so rows come out the same
/// however a batch is shared among ranks and cores, in whatever order, before and after a resume.
///
/// Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019) mix rows 2i and 2i + 1 of a batch with each other;
/// timm mixes row i with row B - 1 - i, which is as random, but would need rows of other ranks.
class BatchSource {
 public:
  /// Throws vitrim::Error where an image has no label (or mask) or one beyond num_classes,
  /// std::invalid_argument where the recipe does not fit.
  BatchSource(const data::Dataset& dataset, const Recipe& recipe, BatchSourceOptions options);
  int64_t steps_per_epoch() const { return sampler_.steps_per_epoch(); }
  int64_t batch_size() const { return recipe_.batch_size; }
  /// Draws the epoch's order; call before rows of it are asked for, not while.
  void begin_epoch(int64_t epoch);
  /// Rows [begin, end) of the epoch's step `step`. Thread-safe. Throws Error where more than max_corrupt
  /// images are corrupt.
  Rows rows(int64_t step, int64_t begin, int64_t end) const;

 private:
  void check_labels() const;
  /// Reads image `index`, or where that is corrupt the next one that is not; sets `index` to the one read.
  /// The mask is empty for classification.
  data::SegmentedImage read(int64_t& index) const;
  void load(int64_t position, at::Tensor& image, at::Tensor& target) const;
  at::Tensor empty_targets(int64_t n) const;
  void mix(int64_t position, at::Tensor& images, at::Tensor& targets, int64_t row) const;
  at::Tensor stochastic_depth(int64_t first_position, int64_t n) const;

  const data::Dataset& dataset_;
  Recipe recipe_;
  BatchSourceOptions options_;
  Sampler sampler_;
  mutable std::mutex corrupt_mutex_;
  mutable std::set<int64_t> corrupt_;
  int64_t epoch_ = -1;
  std::vector<int64_t> order_;
};

}  // namespace vitrim::train
