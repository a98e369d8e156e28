#include <stdexcept>
#include <string>

#include "data/codecs.h"
#include "data/image_format.h"
#include "vitrim/core/error.h"
#include "vitrim/data/dataset.h"

namespace vitrim::data {

void check_image_size(int64_t height, int64_t width, const Encoded& encoded) {
  if (height > 0 && width > 0 && width <= encoded.max_pixels / height) return;
  throw FormatError(encoded.name, "header",
                    "image of " + std::to_string(width) + " x " + std::to_string(height) +
                        " pixels, but at least 1 and at most " + std::to_string(encoded.max_pixels) +
                        " pixels are read; replace the file, or allow more with --max-pixels");
}

Image decode_image(const uint8_t* bytes, size_t count, const std::string& name, int64_t max_pixels) {
  if (count == 0) throw FormatError(name, "", "empty file; replace it with a JPEG, PNG or WebP image");
  const Encoded encoded{bytes, count, name, max_pixels};
  const std::string_view format = format_of_content(bytes, count);
  if (format == "JPEG") return decode_jpeg(encoded);
  if (format == "PNG") return decode_png(encoded);
  if (format == "WebP") return decode_webp(encoded);
  throw FormatError(name, "byte 0",
                    format.empty()
                        ? "neither a JPEG nor a PNG nor a WebP image; convert or replace the file"
                        : "its content is a " + std::string(format) +
                              " image, which vitrim does not read; convert it to PNG, JPEG or WebP");
}

Mask decode_mask(const uint8_t* bytes, size_t count, const std::string& name, int64_t max_pixels) {
  if (format_of_content(bytes, count) == "PNG") return decode_png_mask({bytes, count, name, max_pixels});
  throw FormatError(name, "byte 0",
                    "not a PNG image; a mask must be an 8-bit PNG, because other formats change its values");
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
