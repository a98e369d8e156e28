#pragma once
// How good a model is on labelled images: top-1 and top-5 accuracy, or, of a model for segmentation, mean
// intersection over union.

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
  int threads = 0;  ///< decoding; 0: all cores
  int64_t max_corrupt = 0;
  int64_t chunk = 1000;  ///< images held in memory at a time
  /// Another way to compute logits [B, num_classes] of normalised images [B, 3, H, W] than the model's own
  /// forward (an engine); it is called batch by batch.
  std::function<at::Tensor(const at::Tensor& images)> logits;
  int64_t window = 0;    ///< segmentation: side of the windows that slide over an image; 0: whole images
  int64_t stride = 0;    ///< by how much they slide; 0: two thirds of the window
  int64_t pictures = 0;  ///< segmentation: images whose masks the result shows
  /// Labelled images by which features are judged in place of the classifier's answer (eval/features.h);
  /// null: the classifier.
  std::shared_ptr<const data::Dataset> gallery;
  int64_t neighbours = 20;  ///< of the gallery that vote
  bool probe = false;       ///< a linear probe fitted to the gallery answers instead
  distributed::Group* group =
      nullptr;  ///< the ranks that each evaluate a share of the images; null: this process alone
};

/// What evaluate() refuses, found out without decoding an image: no labels (no masks), other classes than the
/// model's, no classifier and no gallery. Throws vitrim::Error.
void check_evaluable(const model::Model& model, const data::Dataset& dataset,
                     const AccuracyOptions& options = {});
/// Throws vitrim::Error where the set has no labels, or a label is not among the model's classes (with what
/// to pass). The manifest is left to the caller. A model for segmentation is evaluated as eval/segmentation.h
/// says. With several ranks, all get the whole result, which is that of one process (but for logits that
/// rounding decides).
EvalResult evaluate(const model::Model& model, const data::Dataset& dataset, const AccuracyOptions& options);
/// The same on images in memory.
EvalResult evaluate(const model::Model& model, const data::ImageBatch& images, int64_t batch_size = 50);

}  // namespace vitrim::eval
