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

/// One operation at `level` 0..10. `negative` turns the direction of those that have one. Levels mean:
/// rotation up to 30 degrees, 4 to 1 bits kept (timm keeps none at exactly 10, which makes the image black
/// and which Pillow now refuses), solarised from 256 down to 0, up to 110 added, factors 1 +- 0.9 (at least
/// 0.1), shear up to 0.3, translation up to 0.45 of the side.
void apply(Image& image, RandAugmentOp op, double level, bool negative, const Sampling& sampling);
/// options.rand_augment_ops operations drawn with replacement, each applied with probability 0.5.
void rand_augment(Image& image, const AugmentOptions& options, const Sampling& sampling, Random& random);

}  // namespace vitrim::data
