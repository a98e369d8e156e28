#pragma once
// Augmentation of training images: the operations of DeiT (Touvron et al. 2021, arXiv 2012.12877, table 9).

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "vitrim/core/model_spec.h"
#include "vitrim/core/random.h"
#include "vitrim/data/dataset.h"

namespace vitrim::data {

/// Options of the augmentation of training images. Defaults are DeiT's; names are timm's if timm has the
/// option.
struct AugmentOptions {
  /// A box of random area and aspect ratio, resized to the crop (Szegedy et al. 2015). If off, images are
  /// resized and centre-cropped as in preprocess(); with `padding` > 0, a random crop of the zero-padded
  /// image replaces the centre crop.
  bool random_resized_crop = true;
  double scale_min = 0.08, scale_max = 1.0;           ///< area of the box as a share of the image's area
  double ratio_min = 3.0 / 4.0, ratio_max = 4.0 / 3;  ///< width / height
  int64_t padding = 0;  ///< pixels on each side before a random crop, only without random_resized_crop
  double horizontal_flip = 0.5;  ///< probability
  int64_t rand_augment_ops =
      2;  ///< operations drawn per image, each then applied with probability 0.5; 0: none
  double rand_augment_magnitude = 9;  ///< 0..10
  double rand_augment_std = 0.5;      ///< standard deviation of the magnitude, drawn anew for each operation
  /// Colour jitter: brightness, contrast and saturation change in random order, each by a factor uniform in
  /// [max(0, 1 - j), 1 + j]. It is used only if RandAugment is off (timm's rule).
  double color_jitter = 0;
  double erase_probability =
      0.25;  ///< probability of random erasing; the box is filled with standard normal noise per value
  double erase_area_min = 0.02,
         erase_area_max = 1.0 / 3;  ///< area of the erased box as a share of the image's area
};

/// Applies all augmentations of 8-bit pixels, in DeiT's order: crop, flip, RandAugment (Cubuk et al. 2020) or
/// colour jitter. The result has preprocess.crop x preprocess.crop pixels. All randomness comes from
/// `random`, so the same generator state gives the same image; the number of draws depends on the options and
/// on earlier draws.
///
/// RandAugment is timm's `rand-mM-mstdS-inc1`: operations are drawn from fifteen with replacement; their
/// strength is normal around the magnitude, clipped to 0..10. Every operation equals Pillow's. As in DeiT's
/// recipe, the crop and the geometric operations use preprocess.interpolation, and rotation, shear and
/// translation fill the uncovered area with round(255 * preprocess.mean). Deviation: posterising keeps at
/// least one bit, while timm makes the image black at level 10. Throws std::invalid_argument if validate()
/// does, or if the image has no pixels. Cost on one core, all defaults: 1.6 ms from 500 x 375 to 224 x 224
/// pixels, 0.15 ms from 32 x 32 to 96 x 96.
Image augment(const Image& image, const PreprocessSpec& preprocess, const AugmentOptions& options,
              Random& random);

/// Random erasing (Zhong et al. 2020, arXiv 1708.04896) of one normalised image, in place. With
/// erase_probability, one box becomes standard normal noise; its area is uniform in [erase_area_min,
/// erase_area_max] of the image, its aspect ratio log-uniform in [0.3, 1 / 0.3]. A box that does not fit is
/// drawn again, up to ten times. `image` is float32 [3, H, W], or grey [1, H, W], on the CPU with contiguous
/// rows; it may be a view into a batch.
void random_erase(at::Tensor& image, const AugmentOptions& options, Random& random);

/// Throws std::invalid_argument that names the field that is out of range.
void validate(const AugmentOptions& options);

}  // namespace vitrim::data
