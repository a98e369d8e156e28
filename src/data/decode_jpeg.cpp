// JPEG through libjpeg-turbo with its default settings (accurate integer DCT, fancy upsampling), which are
// Pillow's too.

// clang-format off
#include <csetjmp>
#include <cstddef>
#include <cstdio>  // jpeglib.h uses FILE and size_t, and jerror.h uses jpeglib.h, without including them
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include "data/codecs.h"
#include "vitrim/core/error.h"

namespace vitrim::data {
namespace {

/// libjpeg's state. libjpeg reports errors by a call that must not return, so every step below is a function
/// with its own setjmp and without C++ objects that a longjmp would leave undestroyed; the steps' caller
/// holds the memory.
struct JpegDecoder {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  std::jmp_buf jump{};
  char message[JMSG_LENGTH_MAX] = {};

  JpegDecoder() = default;
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;
  ~JpegDecoder() { jpeg_destroy_decompress(&info); }
};

[[noreturn]] void stop(j_common_ptr info) {
  auto* decoder = static_cast<JpegDecoder*>(info->client_data);
  info->err->format_message(info, decoder->message);
  std::longjmp(decoder->jump, 1);
}

/// libjpeg calls most damage a warning and goes on with grey blocks. Where pixels were lost the image is
/// corrupt; stray bytes between segments and odd headers lose nothing and occur in published data sets.
void judge_warning(j_common_ptr info, int level) {
  if (level >= 0) return;  // trace
  switch (info->err->msg_code) {
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_JPEG_EOF:
    case JWRN_MUST_RESYNC:
      stop(info);
    default:
      ++info->err->num_warnings;
  }
}

void keep_silent(j_common_ptr) {}

bool read_header(JpegDecoder& decoder, const uint8_t* bytes, size_t count) {
  jpeg_decompress_struct& info = decoder.info;
  info.err = jpeg_std_error(&decoder.errors);
  decoder.errors.error_exit = stop;
  decoder.errors.emit_message = judge_warning;
  decoder.errors.output_message = keep_silent;
  info.client_data = &decoder;
  if (setjmp(decoder.jump)) return false;
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, bytes, static_cast<unsigned long>(count));
  jpeg_read_header(&info, TRUE);
  return true;
}

bool start(JpegDecoder& decoder) {
  if (setjmp(decoder.jump)) return false;
  decoder.info.out_color_space = decoder.info.num_components == 4 ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&decoder.info);
  return true;
}

/// Reads the next row into `row`, which holds output_width * output_components bytes.
bool read_row(JpegDecoder& decoder, uint8_t* row) {
  if (setjmp(decoder.jump)) return false;
  jpeg_read_scanlines(&decoder.info, &row, 1);
  return true;
}

/// Reads on to the end marker, so that a file cut off after its last row is found out.
bool finish(JpegDecoder& decoder) {
  if (setjmp(decoder.jump)) return false;
  jpeg_finish_decompress(&decoder.info);
  return true;
}

/// x / 255, rounded to nearest, for x in 0..255*255.
uint8_t divide_by_255(int x) {
  const int y = x + 128;
  return static_cast<uint8_t>((y + (y >> 8)) >> 8);
}

/// Ink to light as Pillow does it. Adobe's files store ink inverted (255: none), and those are the only CMYK
/// JPEGs in use.
void cmyk_to_rgb(const uint8_t* cmyk, uint8_t* rgb, int64_t width) {
  for (int64_t x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
    const int paper = cmyk[3];
    for (int c = 0; c < 3; ++c) rgb[c] = static_cast<uint8_t>(paper - divide_by_255((255 - cmyk[c]) * paper));
  }
}

}  // namespace

bool is_jpeg(const uint8_t* bytes, size_t count) {
  return count >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF;
}

Image decode_jpeg(const uint8_t* bytes, size_t count, const std::string& name) {
  JpegDecoder decoder;
  const auto corrupt = [&](const std::string& where) {
    return FormatError(name, where, std::string("corrupt JPEG (") + decoder.message + "); replace the file");
  };
  if (!read_header(decoder, bytes, count)) throw corrupt("header");
  check_image_size(decoder.info.image_height, decoder.info.image_width, name);
  if (!start(decoder)) throw corrupt("header");
  Image image{decoder.info.output_height, decoder.info.output_width, {}};
  image.pixels.resize(image.height * image.width * 3);
  const bool cmyk = decoder.info.num_components == 4;
  std::vector<uint8_t> ink(cmyk ? image.width * 4 : 0);
  for (int64_t y = 0; y < image.height; ++y) {
    uint8_t* row = image.pixels.data() + y * image.width * 3;
    if (!read_row(decoder, cmyk ? ink.data() : row)) throw corrupt("row " + std::to_string(y));
    if (cmyk) cmyk_to_rgb(ink.data(), row, image.width);
  }
  if (!finish(decoder)) throw corrupt("end");
  return image;
}

}  // namespace vitrim::data
