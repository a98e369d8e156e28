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
///
/// The interval of mIoU is the 2.5th to 97.5th percentile of 2,000 bootstrap resamples of images. Every
/// resample is averaged over the same classes as the figure, those labelled or predicted in any image. A
/// class without a pixel in a resample counts there with its IoU of all images, because the resample contains
/// no information about it. Leaving the class out would average other classes than the figure does: rare
/// classes are often the worst ones, so most resamples of few images would lie above the figure. Dropping
/// such resamples would leave few or none where several classes occur in one image each. The IoU of a class
/// that occurs in one image hardly varies, as in every bootstrap over images. With many images of every
/// class, no resample lacks one, and the three ways are the same.
SegmentationFigures summarise_pixels(std::vector<std::vector<ClassPixels>> images, int64_t classes);

/// mIoU(second) - mIoU(first) and its 95 % paired bootstrap interval over images (as in summarise_pixels(),
/// with the same resamples for both). Throws std::invalid_argument if the two have different numbers of
/// images, or different labelled pixels in an image.
PairedResult compare_miou(const SegmentationFigures& first, const SegmentationFigures& second,
                          uint64_t seed = 0);

/// evaluate() for a model with a segmentation head. An image is resized to preprocess.resize (short side, if
/// set) and predicted; the prediction is compared with the mask at the mask's own size. Throws vitrim::Error
/// as evaluate() does.
EvalResult evaluate_segmentation(const model::Model& model, const data::Dataset& dataset,
                                 const AccuracyOptions& options);

}  // namespace vitrim::eval
