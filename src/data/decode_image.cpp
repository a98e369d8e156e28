#include <stdexcept>
#include <string>

#include "data/codecs.h"
#include "vitrim/core/error.h"
#include "vitrim/data/dataset.h"

namespace vitrim::data {

void check_image_size(int64_t height, int64_t width, const std::string& name) {
  if (height > 0 && width > 0 && width <= kMaxPixels / height) return;
  throw FormatError(name, "header",
                    "image of " + std::to_string(width) + " x " + std::to_string(height) +
                        " pixels, but at least 1 and at most " + std::to_string(kMaxPixels) +
                        " pixels are read; replace the file");
}

Image decode_image(const uint8_t* bytes, size_t count, const std::string& name) {
  if (count == 0) throw FormatError(name, "", "empty file; replace it with a JPEG or PNG image");
  if (is_jpeg(bytes, count)) return decode_jpeg(bytes, count, name);
  if (is_png(bytes, count)) return decode_png(bytes, count, name);
  throw FormatError(name, "byte 0", "neither a JPEG nor a PNG image; convert or replace the file");
}

Mask decode_mask(const uint8_t* bytes, size_t count, const std::string& name) {
  if (is_png(bytes, count)) return decode_png_mask(bytes, count, name);
  throw FormatError(name, "byte 0",
                    "no PNG image; a mask is an 8-bit PNG, since other formats change its values");
}

Mask Dataset::read_mask(int64_t index) const {
  throw std::logic_error("[data::read_mask] " + name(index) + " has no mask");
}

SegmentedImage read_segmented(const Dataset& dataset, int64_t index) {
  SegmentedImage out{dataset.read(index), dataset.read_mask(index)};
  if (out.image.height == out.mask.height && out.image.width == out.mask.width) return out;
  throw FormatError(dataset.name(index), "",
                    "the image has " + std::to_string(out.image.width) + " x " +
                        std::to_string(out.image.height) + " pixels, its mask " +
                        std::to_string(out.mask.width) + " x " + std::to_string(out.mask.height) +
                        "; replace one of the two");
}

}  // namespace vitrim::data
