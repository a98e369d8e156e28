#pragma once
// Augmentation of training images with masks: the usual augmentation for segmentation on ADE20K (scale, crop,
// flip, colours).

#include <ATen/core/Tensor.h>

#include "vitrim/core/model_spec.h"
#include "vitrim/core/random.h"
#include "vitrim/data/dataset.h"

namespace vitrim::data {

struct SegmentAugmentOptions {
  double scale_min = 0.5,
         scale_max = 2.0;            ///< range of a uniform factor; the short side becomes this factor times
                                     ///< preprocess.resize, or times the crop if there is no resize
  double category_max_ratio = 0.75;  ///< a crop in which one class covers more than this share of the
                                     ///< labelled pixels is drawn again, up to ten times
  double horizontal_flip = 0.5;      ///< probability
  double color_jitter = 0;           ///< brightness, contrast and saturation, as in AugmentOptions
};

/// Resizes image and mask (the mask without interpolation: nearest pixel), crops the same random window with
/// sides of preprocess.crop pixels from both, flips both, and changes the colours of the image. If the scaled
/// image is smaller than the crop, the area right of it and below is ignored in the mask and has the mean
/// colour. All randomness comes from `random`. The long side is limited to four times the target of the short
/// side. Throws std::invalid_argument if image and mask differ in size.
SegmentedImage augment_segmented(const SegmentedImage& pair, const PreprocessSpec& preprocess,
                                 const SegmentAugmentOptions& options, Random& random);

/// The mask at another size, by the nearest pixel.
Mask resize_mask(const Mask& mask, int64_t height, int64_t width);

/// A mask as a tensor, uint8 [height, width].
at::Tensor mask_tensor(const Mask& mask);

}  // namespace vitrim::data
