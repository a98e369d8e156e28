#pragma once
// Fits that follow absorb() when there are more images, or augmented views of them, than fit into memory:
// block-wise fits chunk by chunk, then distillation of the whole model. They use no labels.

#include <cstdint>
#include <functional>
#include <string>

#include "vitrim/absorb/absorb.h"

namespace vitrim::absorb {

/// Unlabelled images by index, drawn or decoded on request.
struct ImageSource {
  int64_t size = 0;
  /// Returns the images with indices `rows` of pass `pass` over the source. One thread of every rank calls
  /// it, with the same arguments on every rank.
  std::function<data::ImageBatch(int64_t pass, const std::vector<int64_t>& rows)> load;
};

struct RefineOptions {
  int64_t passes = 0;           ///< passes over the source
  double learning_rate = 1e-3;  ///< peak rate; after a warm-up it follows half a cosine over all passes
  int64_t chunk = 1000;         ///< images held in memory at a time (see images_within())
};

/// The number of images that refine() can hold in `bytes` bytes of memory: their pixels, and four streams for
/// each image.
int64_t images_within(const ModelSpec& spec, int64_t bytes);

/// Continues the block-wise gradient fits of absorb() from the student's current weights. It takes the source
/// chunk by chunk, in random order. For each chunk, every block from the first changed one upwards takes one
/// pass of gradient steps; the optimiser's moments carry over from chunk to chunk. The blocks above then read
/// the student's own stream, so they adapt to what the blocks below have learned. Of `absorb` it uses
/// fit_patches, fit_batch, cls_weight, batch_size, seed and group. The report is measured on `held_out`; its
/// plain figures are those before refine(). Throws as absorb() does.
AbsorbReport refine(model::Model& student, const model::Model& teacher, const ImageSource& source,
                    const data::ImageBatch& held_out, const AbsorbOptions& absorb,
                    const RefineOptions& options);

struct DistillOptions {
  int64_t epochs = 0;  ///< largest number of passes over the source
  double learning_rate = 2e-5;
  double temperature = 2;  ///< temperature of the softmax over the logits
  double feature_weight =
      1;  ///< weight of the features' relative squared error; the KL divergence of the logits has weight 1
  int64_t batch = 32;
  int64_t chunk = 1000;  ///< images held in memory at a time
  int64_t patience = 1;  ///< training ends after this many epochs without progress on the held-out images
};

/// Trains the student, from its first changed block upwards, on the outputs of the dense model. The loss is
/// the KL divergence of the softened logits plus the relative squared error of the features; without a
/// classifier it is the error of the features alone. After every epoch the KL divergence on `held_out` is
/// measured (without a classifier, the error of the features). The best weights are kept; the weights before
/// training are candidates too. Training ends after `patience` epochs without progress. Throws
/// std::invalid_argument for models for segmentation.
AbsorbReport distill(model::Model& student, const model::Model& teacher, const ImageSource& source,
                     const data::ImageBatch& held_out, const AbsorbOptions& absorb,
                     const DistillOptions& options);

}  // namespace vitrim::absorb
