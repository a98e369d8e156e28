#pragma once
// Semantic segmentation: predicting every pixel, and counting how well.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "vitrim/core/artifacts.h"
#include "vitrim/data/dataset.h"
#include "vitrim/eval/accuracy.h"
#include "vitrim/model/model.h"

namespace vitrim::eval {

/// Runs a model for segmentation on images of any size. Thread-safe.
class PixelPredictor {
 public:
  /// `window` 0: whole images; else windows of that side, `stride` apart (0: two thirds of the side), the
  /// last ones moved back to end with the image, and logits averaged where they overlap; an image that one
  /// window covers is run whole. Where the model's size_unit() does not divide a side, the image is continued
  /// by its mean colour below and to the right. The model must outlive the predictor. Throws
  /// std::invalid_argument on an impossible window.
  PixelPredictor(const model::Model& model, int64_t window, int64_t stride);
  ~PixelPredictor();
  PixelPredictor(const PixelPredictor&) = delete;
  PixelPredictor& operator=(const PixelPredictor&) = delete;
  /// Logits [1, K, h, w] of a normalised image float32 [3, H, W]: the model's own map stretched over it where
  /// it runs whole without being continued (so h and w are that map's), else H by W.
  at::Tensor logits(const at::Tensor& image) const;
  /// The most likely class of every pixel at `height` x `width`, uint8: logits enlarged bilinearly, a tie
  /// goes to the lower class.
  at::Tensor classes(const at::Tensor& image, int64_t height, int64_t width) const;
  /// "whole images", or which windows.
  std::string protocol() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Pixels per class that occurs, of those that `truth` does not ignore. Both uint8 [H, W].
std::vector<ClassPixels> count_pixels(const at::Tensor& predicted, const at::Tensor& truth);

/// The figures of SegmentationFigures that follow from its `images`; NaN where nothing is labelled.
SegmentationFigures summarise_pixels(std::vector<std::vector<ClassPixels>> images, int64_t classes);
/// mIoU of these images: the first figure alone, as the resamples need it.
double mean_iou(const std::vector<std::vector<ClassPixels>>& images, const std::vector<int64_t>& drawn,
                int64_t classes);

/// mIoU(second) - mIoU(first) and its 95 % paired bootstrap interval over images (2,000 resamples,
/// percentile). Throws std::invalid_argument where the images differ in number, or labels of an image in
/// their pixels.
PairedResult compare_miou(const SegmentationFigures& first, const SegmentationFigures& second,
                          uint64_t seed = 0);

/// evaluate() for a model with a segmentation head: the image resized to preprocess.resize (short side, if
/// set), predicted, and compared with its mask at the mask's own size. Throws vitrim::Error as evaluate()
/// does.
EvalResult evaluate_segmentation(const model::Model& model, const data::Dataset& dataset,
                                 const AccuracyOptions& options);

}  // namespace vitrim::eval
