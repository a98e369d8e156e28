#include "data/rand_augment.h"

#include <algorithm>

namespace vitrim::data {
namespace {

constexpr double kMaxLevel = 10, kProbability = 0.5;

}  // namespace

void apply(Image& image, RandAugmentOp op, double level, bool negative, const Sampling& sampling) {
  const double share = level / kMaxLevel;
  const double sign = negative ? -1.0 : 1.0;
  const double factor = std::max(0.1, 1.0 + sign * share * 0.9);
  const double shear = sign * share * 0.3, shift = sign * share * 0.45;
  switch (op) {
    case RandAugmentOp::kAutoContrast:
      return auto_contrast(image);
    case RandAugmentOp::kEqualize:
      return equalize(image);
    case RandAugmentOp::kInvert:
      return invert(image);
    case RandAugmentOp::kRotate:
      image = rotate(image, sign * share * 30.0, sampling);
      return;
    case RandAugmentOp::kPosterize:
      return posterize(image, std::max(4 - static_cast<int>(share * 4), 1));
    case RandAugmentOp::kSolarize:
      return solarize(image, 256 - static_cast<int>(share * 256));
    case RandAugmentOp::kSolarizeAdd:
      return solarize_add(image, static_cast<int>(share * 110));
    case RandAugmentOp::kColor:
      return adjust_color(image, factor);
    case RandAugmentOp::kContrast:
      return adjust_contrast(image, factor);
    case RandAugmentOp::kBrightness:
      return adjust_brightness(image, factor);
    case RandAugmentOp::kSharpness:
      return adjust_sharpness(image, factor);
    case RandAugmentOp::kShearX:
      image = affine(image, {1, shear, 0, 0, 1, 0}, sampling);
      return;
    case RandAugmentOp::kShearY:
      image = affine(image, {1, 0, 0, shear, 1, 0}, sampling);
      return;
    case RandAugmentOp::kTranslateX:
      image = affine(image, {1, 0, shift * static_cast<double>(image.width), 0, 1, 0}, sampling);
      return;
    case RandAugmentOp::kTranslateY:
      image = affine(image, {1, 0, 0, 0, 1, shift * static_cast<double>(image.height)}, sampling);
      return;
  }
}

void rand_augment(Image& image, const AugmentOptions& options, const Sampling& sampling, Random& random) {
  for (int64_t i = 0; i < options.rand_augment_ops; ++i) {
    const auto op = static_cast<RandAugmentOp>(random.below(kRandAugmentOps));
    if (random.uniform() >= kProbability) continue;
    const double noise = options.rand_augment_std > 0 ? options.rand_augment_std * random.normal() : 0.0;
    const double level = std::clamp(options.rand_augment_magnitude + noise, 0.0, kMaxLevel);
    const bool negative = random.uniform() < 0.5;
    apply(image, op, level, negative, sampling);
  }
}

}  // namespace vitrim::data
