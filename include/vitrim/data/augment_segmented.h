#pragma once
// How a training image with a mask is varied: what segmentation on ADE20K is usually trained with (scale,
// crop, flip, colours).

#include <ATen/core/Tensor.h>

#include "vitrim/core/model_spec.h"
#include "vitrim/core/random.h"
#include "vitrim/data/dataset.h"

namespace vitrim::data {

struct SegmentAugmentOptions {
  double scale_min = 0.5, scale_max = 2.0;  ///< the short side becomes preprocess.resize (else the crop)
                                            ///< times a factor uniform between them
  double category_max_ratio = 0.75;  ///< a crop in which one class has a larger share of the labelled pixels
                                     ///< is drawn again, ten tries
  double horizontal_flip = 0.5;      ///< probability
  double color_jitter = 0;           ///< brightness, contrast and saturation, as in AugmentOptions
};

/// Resizes both (the mask without interpolation: the nearest pixel), cuts the same random window of
/// preprocess.crop pixels a side out of both, flips both, varies the image's colours. Where the scaled image
/// is smaller than the crop, the rest below and right of it is ignored in the mask and has the mean colour.
/// All randomness comes from `random`. The long side grows to four times the short one's target at most.
/// Throws std::invalid_argument where the sizes of image and mask differ.
SegmentedImage augment_segmented(const SegmentedImage& pair, const PreprocessSpec& preprocess,
                                 const SegmentAugmentOptions& options, Random& random);

/// The nearest pixel of the old mask at every place of the new one.
Mask resize_mask(const Mask& mask, int64_t height, int64_t width);

/// A mask as a tensor, uint8 [height, width].
at::Tensor mask_tensor(const Mask& mask);

}  // namespace vitrim::data
