// Decodes WebP with libwebp, lossy and lossless, with its default settings (fancy upsampling), which are
// Pillow's too. Alpha is dropped, as for PNG.

#include <webp/decode.h>

#include "data/codecs.h"
#include "vitrim/core/error.h"

namespace vitrim::data {
namespace {

const char* reason(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY:
      return "not enough memory";
    case VP8_STATUS_BITSTREAM_ERROR:
      return "damaged bits";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return "an unknown feature";
    case VP8_STATUS_NOT_ENOUGH_DATA:
      return "file ends too early";
    default:
      return "it can't be decoded";
  }
}

FormatError corrupt(const Encoded& encoded, const std::string& where, VP8StatusCode status) {
  return FormatError(encoded.name, where,
                     std::string("corrupt WebP (") + reason(status) + "); replace the file");
}

}  // namespace

Image decode_webp(const Encoded& encoded) {
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0)
    throw Error("[data::decode_webp] libwebp and its header have different versions; build vitrim again");
  VP8StatusCode status = WebPGetFeatures(encoded.bytes, encoded.count, &config.input);
  if (status != VP8_STATUS_OK) throw corrupt(encoded, "header", status);
  check_image_size(config.input.height, config.input.width, encoded);
  if (config.input.has_animation != 0) {
    throw FormatError(encoded.name, "header",
                      "an animated WebP, not a single image; save the frame that you need");
  }
  Image image{config.input.height, config.input.width, {}};
  image.pixels.resize(static_cast<size_t>(image.height * image.width * 3));
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {image.pixels.data(), static_cast<int>(image.width * 3), image.pixels.size()};
  status = WebPDecode(encoded.bytes, encoded.count, &config);
  WebPFreeDecBuffer(&config.output);
  if (status != VP8_STATUS_OK) throw corrupt(encoded, "pixels", status);
  return image;
}

}  // namespace vitrim::data
