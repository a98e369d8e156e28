#pragma once
// RandAugment (Cubuk et al. 2020, arXiv 1909.13719) with timm's "increasing" operations.

#include "data/pixel_ops.h"
#include "vitrim/core/random.h"
#include "vitrim/data/augment.h"

namespace vitrim::data {

enum class RandAugmentOp {
  kAutoContrast,
  kEqualize,
  kInvert,
  kRotate,
  kPosterize,
  kSolarize,
  kSolarizeAdd,
  kColor,
  kContrast,
  kBrightness,
  kSharpness,
  kShearX,
  kShearY,
  kTranslateX,
  kTranslateY
};
inline constexpr int64_t kRandAugmentOps = 15;

/// Applies one operation at `level` 0..10. `negative` reverses the direction of operations that have one. The
/// range of levels is: rotation up to 30 degrees; 4 to 1 bits kept (at exactly 10 timm keeps none, which
/// makes the image black and which Pillow now refuses); solarising from 256 down to 0; up to 110 added;
/// factors 1 +- 0.9 (at least 0.1); shear up to 0.3; translation up to 0.45 of the side.
void apply(Image& image, RandAugmentOp op, double level, bool negative, const Sampling& sampling);
/// Draws options.rand_augment_ops operations with replacement and applies each with probability 0.5.
void rand_augment(Image& image, const AugmentOptions& options, const Sampling& sampling, Random& random);

}  // namespace vitrim::data
