#pragma once
// Semantic segmentation: predicts the class of every pixel, and evaluates the predictions.

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
  /// `window` is the side of the sliding windows in pixels; 0: images run whole. Windows are `stride` pixels
  /// apart (0: two thirds of the side); the last ones are moved back to end with the image. Logits are
  /// averaged where windows overlap. An image that fits into one window runs whole. If the model's
  /// size_unit() does not divide a side, the image is padded with its mean colour below and to the right. The
  /// model must outlive the predictor. Throws std::invalid_argument on an impossible window.
  PixelPredictor(const model::Model& model, int64_t window, int64_t stride);
  ~PixelPredictor();
  PixelPredictor(const PixelPredictor&) = delete;
  PixelPredictor& operator=(const PixelPredictor&) = delete;
  /// Logits [1, K, h, w] of a normalised image float32 [3, H, W]. If the image runs whole without padding, h
  /// and w are those of the model's own map, which stands for the whole image; otherwise they are H and W.
  at::Tensor logits(const at::Tensor& image) const;
  /// The most likely class of every pixel, uint8 [height, width]. Logits are upsampled bilinearly; on a tie
  /// the lower class wins.
  at::Tensor classes(const at::Tensor& image, int64_t height, int64_t width) const;
  /// "whole images", or a description of the windows.
  std::string protocol() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Counts pixels for each class that occurs, among the pixels that `truth` does not ignore. Both are uint8
/// [H, W].
std::vector<ClassPixels> count_pixels(const at::Tensor& predicted, const at::Tensor& truth);

/// Computes the figures of SegmentationFigures that follow from `images`; NaN if no pixel is labelled.
SegmentationFigures summarise_pixels(std::vector<std::vector<ClassPixels>> images, int64_t classes);
/// mIoU of the images with the indices `drawn`: the first figure only, for the resamples.
double mean_iou(const std::vector<std::vector<ClassPixels>>& images, const std::vector<int64_t>& drawn,
                int64_t classes);

/// mIoU(second) - mIoU(first) and its 95 % paired bootstrap interval over images (2,000 resamples,
/// percentile). Throws std::invalid_argument if the two have different numbers of images, or different
/// labelled pixels in an image.
PairedResult compare_miou(const SegmentationFigures& first, const SegmentationFigures& second,
                          uint64_t seed = 0);

/// evaluate() for a model with a segmentation head. An image is resized to preprocess.resize (short side, if
/// set) and predicted; the prediction is compared with the mask at the mask's own size. Throws vitrim::Error
/// as evaluate() does.
EvalResult evaluate_segmentation(const model::Model& model, const data::Dataset& dataset,
                                 const AccuracyOptions& options);

}  // namespace vitrim::eval
