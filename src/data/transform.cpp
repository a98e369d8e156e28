#include "vitrim/data/transform.h"

#include <algorithm>
#include <stdexcept>

#include "data/normalization.h"
#include "vitrim/core/error.h"

namespace vitrim::data {
namespace {

/// The start of a window of `side` pixels on an axis of `size` pixels; negative if the window is larger and
/// zeros are padded. torchvision rounds half a pixel to the even offset when it crops, and puts the smaller
/// half of the padding first.
int64_t window_begin(int64_t size, int64_t side) {
  const int64_t spare = size - side;
  if (spare < 0) return -((-spare) / 2);
  const int64_t half = spare / 2;
  return spare % 2 == 1 && half % 2 == 1 ? half + 1 : half;
}

void check_side(const char* where, int64_t side) {
  if (side >= 1) return;
  throw std::invalid_argument(std::string("[data::") + where + "] the side must be at least 1 pixel, not " +
                              std::to_string(side));
}

/// Height and width.
std::pair<int64_t, int64_t> short_side_target(const Image& image, int64_t side) {
  if (std::min(image.height, image.width) < 1) return {side, side};  // resize() reports the error
  if (image.width <= image.height) return {side * image.height / image.width, side};
  return {side, side * image.width / image.height};
}

}  // namespace

void ResizeLimit::check(const Image& image, int64_t height, int64_t width) const {
  // The intermediate image has the old height and the new width.
  const int64_t rows = std::max(height, image.height);
  if (width <= 0 || rows <= max_pixels / width) return;
  throw FormatError(name, "",
                    "an image of " + std::to_string(image.width) + " x " + std::to_string(image.height) +
                        " pixels, which resizing would make " + std::to_string(width) + " x " +
                        std::to_string(rows) + " pixels large, more than " + std::to_string(max_pixels) +
                        "; crop or replace the file, or allow more with --max-pixels");
}

void ResizeLimit::check(const Image& image, const PreprocessSpec& spec) const {
  if (!spec.resize) return;
  const auto [height, width] =
      spec.squash ? std::pair(*spec.resize, *spec.resize) : short_side_target(image, *spec.resize);
  check(image, height, width);
}

Image resize_short_side(const Image& image, int64_t side, Interpolation interpolation) {
  check_side("resize_short_side", side);
  const auto [height, width] = short_side_target(image, side);
  return resize(image, height, width, interpolation);
}

Image center_crop(const Image& image, int64_t side) {
  check_side("center_crop", side);
  const int64_t top = window_begin(image.height, side), left = window_begin(image.width, side);
  Image result{side, side, std::vector<uint8_t>(side * side * 3, 0)};
  const int64_t x_begin = std::max<int64_t>(left, 0), x_end = std::min(left + side, image.width);
  for (int64_t y = std::max<int64_t>(top, 0); y < std::min(top + side, image.height); ++y) {
    const uint8_t* row = image.pixels.data() + y * image.width * 3;
    std::copy(row + x_begin * 3, row + x_end * 3,
              result.pixels.data() + ((y - top) * side + x_begin - left) * 3);
  }
  return result;
}

Image preprocess(const Image& image, const PreprocessSpec& spec) {
  if (!spec.resize) return center_crop(image, spec.crop);
  if (spec.squash)
    return center_crop(resize(image, *spec.resize, *spec.resize, spec.interpolation), spec.crop);
  return center_crop(resize_short_side(image, *spec.resize, spec.interpolation), spec.crop);
}

void normalize(const Image& image, const PreprocessSpec& spec, float* out, int64_t channels) {
  const int64_t plane = image.height * image.width;
  for (int64_t c = 0; c < channels; ++c) {
    const std::array<float, 256> table = normalization_table(spec, static_cast<size_t>(c));
    for (int64_t i = 0; i < plane; ++i) out[c * plane + i] = table[image.pixels[i * 3 + c]];
  }
}

}  // namespace vitrim::data
