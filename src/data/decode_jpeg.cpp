// Decodes JPEG with libjpeg-turbo and its default settings (accurate integer DCT, fancy upsampling), which
// are Pillow's too.

// clang-format off
#include <csetjmp>
#include <cstddef>
#include <cstdio>  // jpeglib.h uses FILE and size_t, and jerror.h uses jpeglib.h, without including them
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <algorithm>

#include "data/codecs.h"
#include "vitrim/core/error.h"

namespace vitrim::data {
namespace {

/// libjpeg's state. libjpeg reports errors with a call that must not return. So every step below is a
/// function with its own setjmp and without C++ objects, which a longjmp would not destroy; the caller of the
/// steps owns the memory.
struct JpegDecoder {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  int most_scans = 0;
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

/// Called while the scans of a file with several scans are read. Every scan may process all blocks but have
/// only a few bytes, so a small file can cause hours of work.
void judge_scans(j_common_ptr info) {
  auto* decoder = static_cast<JpegDecoder*>(info->client_data);
  if (decoder->info.input_scan_number <= decoder->most_scans) return;
  std::snprintf(decoder->message, sizeof(decoder->message), "more than %d scans", decoder->most_scans);
  std::longjmp(decoder->jump, 1);
}

/// libjpeg treats most damage as a warning and continues with grey blocks. If pixels were lost, the image is
/// corrupt. Stray bytes between segments and odd headers lose no pixels, and occur in published data sets.
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

/// The largest number of scans: encoders write about 10, and other readers stop at 500. All scans together
/// may process at most 32 images of the largest size.
int most_scans(int64_t pixels, int64_t max_pixels) {
  constexpr int64_t kMostScans = 500, kFullImages = 32;
  const int64_t walks = max_pixels > INT64_MAX / kFullImages ? kMostScans : kFullImages * max_pixels / pixels;
  return static_cast<int>(std::clamp<int64_t>(walks, kFullImages, kMostScans));
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

/// Reads up to the end marker, to detect a file that is truncated after its last row.
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

/// Converts ink to light as Pillow does. Adobe's files store inverted ink (255: none), and these are the only
/// CMYK JPEGs in use.
void cmyk_to_rgb(const uint8_t* cmyk, uint8_t* rgb, int64_t width) {
  for (int64_t x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
    const int paper = cmyk[3];
    for (int c = 0; c < 3; ++c) rgb[c] = static_cast<uint8_t>(paper - divide_by_255((255 - cmyk[c]) * paper));
  }
}

}  // namespace

Image decode_jpeg(const Encoded& encoded) {
  JpegDecoder decoder;
  const auto corrupt = [&](const std::string& where) {
    if (decoder.errors.msg_code == JERR_NO_BACKING_STORE || decoder.errors.msg_code == JERR_OUT_OF_MEMORY) {
      return FormatError(encoded.name, where,
                         "a JPEG of several scans (progressive) whose coefficients need more memory than "
                         "vitrim allows; save it as a baseline JPEG, or allow more with --max-pixels");
    }
    return FormatError(encoded.name, where,
                       std::string("corrupt JPEG (") + decoder.message + "); replace the file");
  };
  if (!read_header(decoder, encoded.bytes, encoded.count)) throw corrupt("header");
  const int64_t rows = decoder.info.image_height, columns = decoder.info.image_width;
  check_image_size(rows, columns, encoded);
  decoder.most_scans = most_scans(rows * columns, encoded.max_pixels);
  decoder.progress.progress_monitor = judge_scans;
  decoder.info.progress = &decoder.progress;
  // Only files with several scans need more than a few rows: two bytes per sample, which is enough for the
  // largest image with colour at half resolution.
  constexpr long kRows = 32L << 20;
  decoder.info.mem->max_memory_to_use =
      kRows + static_cast<long>(std::min<int64_t>(encoded.max_pixels, int64_t{1} << 48)) * 4;
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
