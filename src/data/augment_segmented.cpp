#include "vitrim/data/augment_segmented.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "data/color_jitter.h"
#include "data/pixel_ops.h"
#include "vitrim/data/transform.h"

namespace vitrim::data {
namespace {

constexpr double kLongest = 4;  // factor on the short side's target, which limits the cost of panoramas

/// A window of a mask; pixels outside of the mask are ignored.
Mask crop(const Mask& mask, const Window& window) {
  Mask out{window.height, window.width, std::vector<uint8_t>(window.height * window.width, kIgnoredClass)};
  const int64_t bottom = std::min(mask.height, window.top + window.height),
                right = std::min(mask.width, window.left + window.width);
  for (int64_t y = window.top; y < bottom; ++y) {
    const uint8_t* row = mask.classes.data() + y * mask.width;
    std::copy(row + window.left, row + right, out.classes.begin() + (y - window.top) * window.width);
  }
  return out;
}

/// Whether one class covers too large a share of the labelled pixels while other classes are present.
bool one_sided(const Mask& mask, double ratio) {
  std::array<int64_t, 256> counts{};
  for (const uint8_t c : mask.classes) ++counts[c];
  counts[kIgnoredClass] = 0;
  int64_t total = 0, most = 0;
  for (const int64_t n : counts) {
    total += n;
    most = std::max(most, n);
  }
  return static_cast<double>(most) >= ratio * static_cast<double>(total);
}

Window draw_window(const Mask& mask, int64_t side, const SegmentAugmentOptions& options, Random& random) {
  constexpr int kTries = 10;
  Window window{0, 0, side, side};
  for (int attempt = 0; attempt < kTries; ++attempt) {
    window.top = random.below(std::max<int64_t>(0, mask.height - side) + 1);
    window.left = random.below(std::max<int64_t>(0, mask.width - side) + 1);
    if (options.category_max_ratio >= 1 || !one_sided(crop(mask, window), options.category_max_ratio)) break;
  }
  return window;
}

/// The mean colour, where the window is outside of the image.
void fill_outside(Image& image, int64_t height, int64_t width, const PreprocessSpec& preprocess) {
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = y < height ? width : 0; x < image.width; ++x) {
      for (size_t c = 0; c < 3; ++c) {
        image.pixels[(y * image.width + x) * 3 + static_cast<int64_t>(c)] =
            static_cast<uint8_t>(std::clamp<int64_t>(std::llrint(255 * preprocess.mean[c]), 0, 255));
      }
    }
  }
}

void flip_horizontal(Mask& mask) {
  for (int64_t y = 0; y < mask.height; ++y) {
    const auto row = mask.classes.begin() + y * mask.width;
    std::reverse(row, row + mask.width);
  }
}

}  // namespace

Mask resize_mask(const Mask& mask, int64_t height, int64_t width) {
  if (height < 1 || width < 1 || mask.height < 1 || mask.width < 1)
    throw std::invalid_argument("[data::resize_mask] both masks need at least one pixel");
  if (height == mask.height && width == mask.width) return mask;
  Mask out{height, width, std::vector<uint8_t>(height * width)};
  std::vector<int64_t> column(width);  // the pixel that contains the centre of the new pixel
  for (int64_t x = 0; x < width; ++x) column[x] = (2 * x + 1) * mask.width / (2 * width);
  for (int64_t y = 0; y < height; ++y) {
    const uint8_t* row = mask.classes.data() + (2 * y + 1) * mask.height / (2 * height) * mask.width;
    for (int64_t x = 0; x < width; ++x) out.classes[y * width + x] = row[column[x]];
  }
  return out;
}

SegmentedImage augment_segmented(const SegmentedImage& pair, const PreprocessSpec& preprocess,
                                 const SegmentAugmentOptions& options, Random& random) {
  const Image& image = pair.image;
  if (image.height != pair.mask.height || image.width != pair.mask.width || image.height < 1 ||
      image.width < 1) {
    throw std::invalid_argument("[data::augment_segmented] the image has " + std::to_string(image.width) +
                                " x " + std::to_string(image.height) + " pixels, the mask " +
                                std::to_string(pair.mask.width) + " x " + std::to_string(pair.mask.height));
  }
  const auto target = static_cast<double>(preprocess.resize.value_or(preprocess.crop));
  const auto shorter = static_cast<double>(std::min(image.height, image.width)),
             longer = static_cast<double>(std::max(image.height, image.width));
  const double scale = options.scale_min + (options.scale_max - options.scale_min) * random.uniform();
  const double factor = scale * std::min(target / shorter, kLongest * target / longer);
  const auto side = [&](int64_t size) {
    return std::max<int64_t>(1, std::llrint(static_cast<double>(size) * factor));
  };
  const int64_t height = side(image.height), width = side(image.width);
  const Mask mask = resize_mask(pair.mask, height, width);
  const Window window = draw_window(mask, preprocess.crop, options, random);
  SegmentedImage out{crop(resize(image, height, width, preprocess.interpolation), window),
                     crop(mask, window)};
  fill_outside(out.image, height - window.top, width - window.left, preprocess);
  if (random.uniform() < options.horizontal_flip) {
    flip_horizontal(out.image);
    flip_horizontal(out.mask);
  }
  if (options.color_jitter > 0) jitter_colors(out.image, options.color_jitter, random);
  return out;
}

at::Tensor mask_tensor(const Mask& mask) {
  at::Tensor out = at::empty({mask.height, mask.width}, at::kByte);
  std::copy(mask.classes.begin(), mask.classes.end(), out.data_ptr<uint8_t>());
  return out;
}

}  // namespace vitrim::data
