#include "vitrim/data/augment.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "data/color_jitter.h"
#include "data/pixel_ops.h"
#include "data/rand_augment.h"
#include "data/random_window.h"
#include "vitrim/data/transform.h"

namespace vitrim::data {
namespace {

int64_t rounded(double value) { return std::llrint(value); }  // half to even, as Python's round()

/// The start of a window of `side` pixels on an axis of `size` pixels with `padding` more on either end.
int64_t random_begin(int64_t size, int64_t side, int64_t padding, Random& random) {
  const int64_t spare = size + 2 * padding - side;
  return spare < 0 ? (size - side) / 2 : random.below(spare + 1) - padding;
}

Image crop_to_input(const Image& image, const PreprocessSpec& preprocess, const AugmentOptions& options,
                    Random& random) {
  const int64_t side = preprocess.crop;
  if (options.random_resized_crop) {
    const Window window = random_window(image.height, image.width, options, random);
    return resize(crop(image, window), side, side, preprocess.interpolation);
  }
  if (options.padding == 0) return data::preprocess(image, preprocess);
  const Image resized = !preprocess.resize ? image
                        : preprocess.squash
                            ? resize(image, *preprocess.resize, *preprocess.resize, preprocess.interpolation)
                            : resize_short_side(image, *preprocess.resize, preprocess.interpolation);
  const int64_t top = random_begin(resized.height, side, options.padding, random);
  const int64_t left = random_begin(resized.width, side, options.padding, random);
  return crop(resized, {top, left, side, side});
}

/// The comparison is written so that NaN fails.
void check(bool good, const char* field, const std::string& value, const char* allowed) {
  if (good) return;
  throw std::invalid_argument(std::string("[data::augment] ") + field + " must be " + allowed + ", not " +
                              value);
}

void check_probability(const char* field, double value) {
  check(value >= 0 && value <= 1, field, std::to_string(value), "a probability from 0 to 1");
}

}  // namespace

void jitter_colors(Image& image, double jitter, Random& random) {
  const auto factor = [&] {
    const double low = std::max(0.0, 1.0 - jitter), high = 1.0 + jitter;
    return low + (high - low) * random.uniform();
  };
  for (const int64_t which : permutation(3, random)) {
    if (which == 0) adjust_brightness(image, factor());
    if (which == 1) adjust_contrast(image, factor());
    if (which == 2) adjust_color(image, factor());
  }
}

Window random_window(int64_t height, int64_t width, const AugmentOptions& options, Random& random) {
  const double pixels = static_cast<double>(height * width);
  const double ratio_whole = static_cast<double>(width) / static_cast<double>(height);
  const double log_min = std::log(options.ratio_min), log_max = std::log(options.ratio_max);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area =
        pixels * (options.scale_min + (options.scale_max - options.scale_min) * random.uniform());
    const double ratio = std::exp(log_min + (log_max - log_min) * random.uniform());
    const int64_t w = rounded(std::sqrt(area * ratio)), h = rounded(std::sqrt(area / ratio));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const int64_t top = random.below(height - h + 1), left = random.below(width - w + 1);
    return {top, left, h, w};
  }
  int64_t w = width, h = height;
  if (ratio_whole < options.ratio_min) {
    h = std::clamp<int64_t>(rounded(static_cast<double>(width) / options.ratio_min), 1, height);
  } else if (ratio_whole > options.ratio_max) {
    w = std::clamp<int64_t>(rounded(static_cast<double>(height) * options.ratio_max), 1, width);
  }
  return {(height - h) / 2, (width - w) / 2, h, w};
}

void validate(const AugmentOptions& o) {
  const auto text = [](auto value) { return std::to_string(value); };
  check(o.scale_min > 0 && o.scale_min <= 1, "scale_min", text(o.scale_min), "above 0 and at most 1");
  check(o.scale_max >= o.scale_min && o.scale_max <= 1, "scale_max", text(o.scale_max),
        "from scale_min to 1");
  check(o.ratio_min > 0 && std::isfinite(o.ratio_min), "ratio_min", text(o.ratio_min), "above 0");
  check(o.ratio_max >= o.ratio_min && std::isfinite(o.ratio_max), "ratio_max", text(o.ratio_max),
        "finite and at least ratio_min");
  check(o.padding >= 0, "padding", text(o.padding), "0 or more pixels");
  check_probability("horizontal_flip", o.horizontal_flip);
  check(o.rand_augment_ops >= 0, "rand_augment_ops", text(o.rand_augment_ops), "0 or more");
  check(o.rand_augment_magnitude >= 0 && o.rand_augment_magnitude <= 10, "rand_augment_magnitude",
        text(o.rand_augment_magnitude), "from 0 to 10");
  check(o.rand_augment_std >= 0 && std::isfinite(o.rand_augment_std), "rand_augment_std",
        text(o.rand_augment_std), "finite and at least 0");
  check(o.color_jitter >= 0 && std::isfinite(o.color_jitter), "color_jitter", text(o.color_jitter),
        "finite and at least 0");
  check_probability("erase_probability", o.erase_probability);
  check(o.erase_area_min > 0 && o.erase_area_min <= 1, "erase_area_min", text(o.erase_area_min),
        "above 0 and at most 1");
  check(o.erase_area_max >= o.erase_area_min && o.erase_area_max <= 1, "erase_area_max",
        text(o.erase_area_max), "from erase_area_min to 1");
}

Image augment(const Image& image, const PreprocessSpec& preprocess, const AugmentOptions& options,
              Random& random) {
  validate(options);
  if (image.height < 1 || image.width < 1 || preprocess.crop < 1) {
    throw std::invalid_argument("[data::augment] the image and the crop need at least one pixel, but are " +
                                std::to_string(image.width) + " x " + std::to_string(image.height) + " and " +
                                std::to_string(preprocess.crop));
  }
  Image result = crop_to_input(image, preprocess, options, random);
  if (random.uniform() < options.horizontal_flip) flip_horizontal(result);
  if (options.rand_augment_ops > 0) {
    Sampling sampling{preprocess.interpolation, {}};
    for (int c = 0; c < 3; ++c) {
      sampling.fill[c] = static_cast<uint8_t>(std::clamp<int64_t>(rounded(255 * preprocess.mean[c]), 0, 255));
    }
    rand_augment(result, options, sampling, random);
  } else if (options.color_jitter > 0) {
    jitter_colors(result, options.color_jitter, random);
  }
  return result;
}

}  // namespace vitrim::data
