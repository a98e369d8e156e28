// Decodes PNG with libpng: every colour type and depth to 8-bit RGB. Alpha and transparent colours are
// dropped. 16-bit samples keep their high byte (as in Pillow, except for 16-bit grey, which it clips
// instead). Gamma and colour profiles are not applied.

#include <png.h>

#include <csetjmp>
#include <cstring>

#include "data/codecs.h"
#include "vitrim/core/error.h"

namespace vitrim::data {
namespace {

/// libpng's state. Its errors end in a longjmp; see JpegDecoder for the division into steps.
struct PngDecoder {
  const uint8_t* bytes = nullptr;
  size_t count = 0, position = 0;
  char message[128] = {};
  png_structp png = nullptr;
  png_infop info = nullptr;

  PngDecoder(const uint8_t* data, size_t size) : bytes(data), count(size) {}
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;
  ~PngDecoder() { png_destroy_read_struct(&png, &info, nullptr); }
};

[[noreturn]] void stop(png_structp png, png_const_charp message) {
  auto* decoder = static_cast<PngDecoder*>(png_get_error_ptr(png));
  std::strncpy(decoder->message, message, sizeof(decoder->message) - 1);
  png_longjmp(png, 1);
}

void keep_silent(png_structp, png_const_charp) {}

void read_bytes(png_structp png, png_bytep out, size_t wanted) {
  auto* decoder = static_cast<PngDecoder*>(png_get_io_ptr(png));
  if (wanted > decoder->count - decoder->position) png_error(png, "file ends too early");
  std::memcpy(out, decoder->bytes + decoder->position, wanted);
  decoder->position += wanted;
}

bool read_header(PngDecoder& decoder) {
  decoder.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &decoder, stop, keep_silent);
  if (decoder.png != nullptr) decoder.info = png_create_info_struct(decoder.png);
  if (decoder.info == nullptr) return false;
  if (setjmp(png_jmpbuf(decoder.png))) return false;
  png_set_read_fn(decoder.png, &decoder, read_bytes);
  // The size of everything except pixels (texts, profiles) is limited here; libpng itself limits the sides to
  // 1,000,000.
  png_set_chunk_cache_max(decoder.png, 64);
  png_set_chunk_malloc_max(decoder.png, 1 << 20);
  png_read_info(decoder.png, decoder.info);
  return true;
}

void set_rgb(png_structp png, png_byte color) {
  png_set_strip_16(png);
  if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if ((color & PNG_COLOR_MASK_COLOR) == 0) {
    png_set_expand_gray_1_2_4_to_8(png);
    png_set_gray_to_rgb(png);
  }
  png_set_strip_alpha(png);
}

/// The output format of the pixels.
enum class PngLayout { kRgb, kAsStored };

/// Reads all rows (all passes of an interlaced image) and then up to the end chunk, to detect a truncated
/// file.
bool read_rows(PngDecoder& decoder, PngLayout layout, png_bytepp rows, size_t row_bytes) {
  png_structp png = decoder.png;
  if (setjmp(png_jmpbuf(png))) return false;
  if (layout == PngLayout::kAsStored) {
    png_set_packing(png);
  } else {
    set_rgb(png, png_get_color_type(png, decoder.info));
  }
  png_set_interlace_handling(png);
  png_read_update_info(png, decoder.info);
  if (png_get_rowbytes(png, decoder.info) != row_bytes) png_error(png, "unknown pixel layout");
  png_read_image(png, rows);
  png_read_end(png, nullptr);
  return true;
}

std::vector<png_bytep> row_pointers(std::vector<uint8_t>& pixels, int64_t height) {
  std::vector<png_bytep> rows(height);
  for (int64_t y = 0; y < height; ++y)
    rows[y] = pixels.data() + y * (static_cast<int64_t>(pixels.size()) / height);
  return rows;
}

FormatError corrupt(const PngDecoder& decoder, const Encoded& encoded, const std::string& where) {
  return FormatError(encoded.name, where,
                     std::string("corrupt PNG (") + decoder.message + "); replace the file");
}

/// Reads the pixels after the header, and sets the sides of the image.
template <typename Picture>
std::vector<uint8_t> read_png(PngDecoder& decoder, const Encoded& encoded, PngLayout layout,
                              Picture& picture) {
  picture.height = png_get_image_height(decoder.png, decoder.info);
  picture.width = png_get_image_width(decoder.png, decoder.info);
  check_image_size(picture.height, picture.width, encoded);
  const int64_t row_bytes = picture.width * (layout == PngLayout::kRgb ? 3 : 1);
  std::vector<uint8_t> pixels(picture.height * row_bytes);
  std::vector<png_bytep> rows = row_pointers(pixels, picture.height);
  if (!read_rows(decoder, layout, rows.data(), row_bytes)) {
    throw corrupt(decoder, encoded, "byte " + std::to_string(decoder.position));
  }
  return pixels;
}

}  // namespace

Image decode_png(const Encoded& encoded) {
  PngDecoder decoder(encoded.bytes, encoded.count);
  if (!read_header(decoder)) throw corrupt(decoder, encoded, "header");
  Image image;
  image.pixels = read_png(decoder, encoded, PngLayout::kRgb, image);
  return image;
}

Mask decode_png_mask(const Encoded& encoded) {
  PngDecoder decoder(encoded.bytes, encoded.count);
  if (!read_header(decoder)) throw corrupt(decoder, encoded, "header");
  const auto color = png_get_color_type(decoder.png, decoder.info);
  if ((color != PNG_COLOR_TYPE_GRAY && color != PNG_COLOR_TYPE_PALETTE) ||
      png_get_bit_depth(decoder.png, decoder.info) > 8) {
    throw FormatError(encoded.name, "header",
                      "a mask has one channel of at most 8 bits, grey or with a palette; convert the file");
  }
  Mask mask;
  mask.classes = read_png(decoder, encoded, PngLayout::kAsStored, mask);
  return mask;
}

}  // namespace vitrim::data
