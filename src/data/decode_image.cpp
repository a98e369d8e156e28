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

}  // namespace vitrim::data
