#pragma once
// The image formats; decode_image() tells them apart by their first bytes.

#include <cstddef>
#include <cstdint>
#include <string>

#include "vitrim/data/dataset.h"

namespace vitrim::data {

/// An encoded image: its bytes, its name for messages, and the largest number of pixels that it may have.
struct Encoded {
  const uint8_t* bytes = nullptr;
  size_t count = 0;
  const std::string& name;
  int64_t max_pixels = kMaxPixels;
};

/// Throws FormatError if a header declares no pixels or too many: then it is damaged or hostile, and no
/// memory is spent on it.
void check_image_size(int64_t height, int64_t width, const Encoded& encoded);

Image decode_jpeg(const Encoded& encoded);
Image decode_png(const Encoded& encoded);
Image decode_webp(const Encoded& encoded);
Mask decode_png_mask(const Encoded& encoded);

}  // namespace vitrim::data
