#pragma once
// Accuracy on labelled images: top-1 and top-5, or mean intersection over union for segmentation.

#include <functional>
#include <memory>

#include "vitrim/core/artifacts.h"
#include "vitrim/data/dataset.h"
#include "vitrim/data/loader.h"
#include "vitrim/model/model.h"

namespace vitrim::distributed {
class Group;
}

namespace vitrim::eval {

struct AccuracyOptions {
  PreprocessSpec preprocess;
  int64_t batch_size = 50;
  int threads = 0;  ///< threads that decode images; 0: all cores
  int64_t max_corrupt = 0;
  int64_t chunk = 1000;  ///< images held in memory at a time
  /// Computes logits [B, num_classes] of normalised images [B, 3, H, W] in place of the model's own forward
  /// pass (for an engine); called batch by batch.
  std::function<at::Tensor(const at::Tensor& images)> logits;
  int64_t window = 0;    ///< segmentation: side of the sliding windows in pixels; 0: whole images
  int64_t stride = 0;    ///< distance between windows in pixels; 0: two thirds of the window
  int64_t pictures = 0;  ///< segmentation: number of images whose masks the result contains
  /// Labelled reference images for evaluating features instead of the classifier (eval/features.h); null: the
  /// classifier is evaluated.
  std::shared_ptr<const data::Dataset> gallery;
  int64_t neighbours = 20;  ///< number of nearest gallery images that vote
  bool probe = false;  ///< predict with a linear probe fitted to the gallery, instead of nearest neighbours
  distributed::Group* group =
      nullptr;  ///< the ranks that each evaluate a share of the images; null: this process alone
};

/// Whether `images` are also the gallery of `options`. If they are, all of them must be evaluated: evaluate()
/// leaves out an image's own features only where both are the same images.
bool is_gallery(const data::Dataset& images, const AccuracyOptions& options);

/// Checks, without decoding an image, everything that evaluate() refuses: no labels (or masks), classes that
/// are not the model's, neither classifier nor gallery. Throws vitrim::Error.
void check_evaluable(const model::Model& model, const data::Dataset& dataset,
                     const AccuracyOptions& options = {});
/// Evaluates the model on the labelled images of `dataset`. The caller fills in the manifest. A model for
/// segmentation is evaluated as described in eval/segmentation.h. With several ranks, every rank receives the
/// complete result, which equals that of one process (except for predictions that rounding decides). Throws
/// vitrim::Error, with the remedy, if the set has no labels or a label is not among the model's classes.
EvalResult evaluate(const model::Model& model, const data::Dataset& dataset, const AccuracyOptions& options);
/// The same on images in memory.
EvalResult evaluate(const model::Model& model, const data::ImageBatch& images, int64_t batch_size = 50);

}  // namespace vitrim::eval
