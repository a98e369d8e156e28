#pragma once
// What follows absorb() where there are more images, or views of them, than fit into memory: block-wise fits
// chunk by chunk, then distillation of the whole model. No labels.

#include <cstdint>
#include <functional>
#include <string>

#include "vitrim/absorb/absorb.h"

namespace vitrim::absorb {

/// Unlabelled images by number, drawn or decoded when they are asked for.
struct ImageSource {
  int64_t size = 0;
  /// Images `rows` of pass `pass` over the source; called by one thread of every rank, with the same
  /// arguments.
  std::function<data::ImageBatch(int64_t pass, const std::vector<int64_t>& rows)> load;
};

struct RefineOptions {
  int64_t passes = 0;           ///< over the source
  double learning_rate = 1e-3;  ///< its peak; a warm-up, then half a cosine over all passes
  int64_t chunk = 1000;         ///< images held at a time (images_within())
};

/// How many images refine() holds in `bytes` of memory: their pixels and four streams each.
int64_t images_within(const ModelSpec& spec, int64_t bytes);

/// Goes on with absorb()'s block-wise gradient fits, from the student's weights as they are: chunk by chunk
/// of the source, in random order, every block from the first changed one on takes one pass of steps over the
/// chunk, its optimiser going on from chunk to chunk. The student's own stream is what the blocks above then
/// see, so they follow what the blocks below have learned. fit_patches, fit_batch, cls_weight, batch_size,
/// seed and group of `absorb` hold. The report is on `held_out`; its plain figures are those before. Throws
/// as absorb().
AbsorbReport refine(model::Model& student, const model::Model& teacher, const ImageSource& source,
                    const data::ImageBatch& held_out, const AbsorbOptions& absorb,
                    const RefineOptions& options);

struct DistillOptions {
  int64_t epochs = 0;  ///< passes over the source, at most
  double learning_rate = 2e-5;
  double temperature = 2;     ///< of the softened logits
  double feature_weight = 1;  ///< of the features' relative square error beside the logits' KL
  int64_t batch = 32;
  int64_t chunk = 1000;  ///< images held at a time
  int64_t patience = 1;  ///< epochs without progress on the images held out before it ends
};

/// Trains all of the student from its first changed block on against what the dense model says: KL of
/// softened logits and the features' relative square error (features alone without a classifier). After every
/// epoch the KL on `held_out` (without a classifier the features' error) decides; the best weights, those
/// before it included, are kept, and the training ends after `patience` epochs without progress. Refuses
/// models for segmentation (std::invalid_argument).
AbsorbReport distill(model::Model& student, const model::Model& teacher, const ImageSource& source,
                     const data::ImageBatch& held_out, const AbsorbOptions& absorb,
                     const DistillOptions& options);

}  // namespace vitrim::absorb
