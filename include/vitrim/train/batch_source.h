#pragma once
// Makes the batches of training from a data set: augmented, normalised and mixed images, soft targets, and
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
  at::Tensor targets;  ///< float32 [n, classes], with label smoothing and mixing applied; for segmentation
                       ///< uint8 [n, crop, crop], one class per pixel
  at::Tensor keep;     ///< float32 [depth, 2, n]: stochastic depth of attention and MLP, 0 or 1 / (1 - rate);
                       ///< undefined if the rate is 0
};

struct BatchSourceOptions {
  PreprocessSpec preprocess;
  Task task = Task::kClassification;
  int64_t channels = 3;  ///< channels of the images, as in data::LoadOptions
  int64_t num_classes = 0;
  int64_t depth = 0;  ///< number of blocks, for stochastic depth: the rate grows linearly from 0 to
                      ///< recipe.drop_path at the last block
  int ranks = 1;
  uint64_t seed = 0;
  int64_t max_corrupt =
      0;  ///< largest number of corrupt images; each is replaced by the next image of the data set
};

/// Assembles batches. All randomness is a function of seed, epoch, step and row, so rows do not depend on how
/// a batch is shared among ranks and cores, on the order of calls, or on a resume.
///
/// Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019) mix rows 2i and 2i + 1 of a batch with each other;
/// timm mixes row i with row B - 1 - i, which is equally random but would need rows of other ranks.
class BatchSource {
 public:
  /// Throws vitrim::Error if an image has no label (or mask) or one beyond num_classes, std::invalid_argument
  /// if the recipe does not fit.
  BatchSource(const data::Dataset& dataset, const Recipe& recipe, BatchSourceOptions options);
  int64_t steps_per_epoch() const { return sampler_.steps_per_epoch(); }
  int64_t batch_size() const { return recipe_.batch_size; }
  /// Draws the order of the epoch. Call it before rows() of that epoch, not at the same time.
  void begin_epoch(int64_t epoch);
  /// Rows [begin, end) of the epoch's step `step`. Thread-safe. Throws Error if more than max_corrupt images
  /// are corrupt.
  Rows rows(int64_t step, int64_t begin, int64_t end) const;

 private:
  void check_labels() const;
  /// Reads image `index`, or the next readable one if that is corrupt, and sets `index` to the one that was
  /// read. The mask is empty for classification.
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
