#pragma once
// How a training image is varied: the chain of DeiT (Touvron et al. 2021, arXiv 2012.12877, table 9).

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "vitrim/core/model_spec.h"
#include "vitrim/core/random.h"
#include "vitrim/data/dataset.h"

namespace vitrim::data {

/// How a training image is varied. Defaults are DeiT's; the names are timm's where it has one.
struct AugmentOptions {
  /// A box of random area and aspect ratio, resized to the crop (Szegedy et al. 2015). Off: preprocess()'s
  /// resize and centre crop; with `padding` > 0 a random crop of the zero-padded image instead of the centre.
  bool random_resized_crop = true;
  double scale_min = 0.08, scale_max = 1.0;           ///< share of the area
  double ratio_min = 3.0 / 4.0, ratio_max = 4.0 / 3;  ///< width / height
  int64_t padding = 0;  ///< pixels on each side before a random crop, only without random_resized_crop
  double horizontal_flip = 0.5;  ///< probability
  int64_t rand_augment_ops =
      2;  ///< operations drawn per image, each then applied with probability 0.5; 0: none
  double rand_augment_magnitude = 9;  ///< 0..10
  double rand_augment_std = 0.5;      ///< standard deviation of the magnitude, drawn anew for each operation
  /// Brightness, contrast and saturation, each by a factor uniform in [max(0, 1 - j), 1 + j] and in random
  /// order. Only where RandAugment is off: timm's rule.
  double color_jitter = 0;
  double erase_probability = 0.25;  ///< random erasing, filled with standard normal noise per value
  double erase_area_min = 0.02, erase_area_max = 1.0 / 3;  ///< share of the image's area
};

/// Everything done on 8-bit pixels, in DeiT's order: crop, flip, RandAugment (Cubuk et al. 2020) or colour
/// jitter. The result is preprocess.crop x preprocess.crop. All randomness comes from `random`, so the same
/// generator state gives the same image; how much is drawn depends on the options and on the draws.
///
/// RandAugment is timm's `rand-mM-mstdS-inc1`: fifteen operations drawn with replacement, their strength
/// normal around the magnitude, cut off at 0 and 10. Every operation equals Pillow's. As in DeiT's recipe,
/// the crop and the geometric operations use preprocess.interpolation, and what rotation, shear and
/// translation bring in from outside is round(255 * preprocess.mean). Deviation: posterising keeps at least
/// one bit, where timm makes the image black at level 10. Throws std::invalid_argument where validate() does,
/// or where the image has no pixels. Cost on one core, all defaults: 1.6 ms from 500 x 375 to 224 x 224
/// pixels, 0.15 ms from 32 x 32 to 96 x 96.
Image augment(const Image& image, const PreprocessSpec& preprocess, const AugmentOptions& options,
              Random& random);

/// Random erasing (Zhong et al. 2020, arXiv 1708.04896) of one normalised image, in place: with
/// erase_probability one box, its area uniform in [erase_area_min, erase_area_max] of the image and its
/// aspect ratio log-uniform in [0.3, 1 / 0.3], becomes standard normal noise. A box that does not fit is
/// drawn again, ten tries. `image` is float32 [3, H, W], or grey [1, H, W], on the CPU, rows contiguous; a
/// view into a batch is fine.
void random_erase(at::Tensor& image, const AugmentOptions& options, Random& random);

/// Throws std::invalid_argument naming the field that is out of range.
void validate(const AugmentOptions& options);

}  // namespace vitrim::data
