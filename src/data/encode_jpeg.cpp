#include <ATen/ATen.h>
// jpeglib.h uses FILE and size_t without including them.
#include <jpeglib.h>

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "data/base64.h"
#include "vitrim/core/error.h"
#include "vitrim/data/encode.h"

namespace vitrim::data {

namespace {

/// libjpeg's state. Its errors end in a longjmp from C code, through which no exception may pass; encode()
/// has no C++ objects, which the jump would not destroy.
struct JpegEncoder {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  std::jmp_buf jump{};
  char message[JMSG_LENGTH_MAX] = {};
  unsigned char* bytes = nullptr;
  unsigned long count = 0;

  JpegEncoder() = default;
  JpegEncoder(const JpegEncoder&) = delete;
  JpegEncoder& operator=(const JpegEncoder&) = delete;
  ~JpegEncoder() {
    jpeg_destroy_compress(&info);
    std::free(bytes);
  }
};

[[noreturn]] void stop_encoding(j_common_ptr info) {
  auto* encoder = static_cast<JpegEncoder*>(info->client_data);
  info->err->format_message(info, encoder->message);
  std::longjmp(encoder->jump, 1);
}

void keep_encoder_silent(j_common_ptr) {}

/// `rows` contains height * width pixels of `channels` bytes; false if libjpeg fails.
bool encode(JpegEncoder& encoder, const uint8_t* rows, int channels) {
  jpeg_compress_struct& jpeg = encoder.info;
  jpeg.err = jpeg_std_error(&encoder.errors);
  encoder.errors.error_exit = stop_encoding;
  encoder.errors.output_message = keep_encoder_silent;
  jpeg.client_data = &encoder;
  if (setjmp(encoder.jump)) return false;
  const JDIMENSION width = jpeg.image_width, height = jpeg.image_height;
  jpeg_create_compress(&jpeg);
  jpeg_mem_dest(&jpeg, &encoder.bytes, &encoder.count);
  jpeg.image_width = width;
  jpeg.image_height = height;
  jpeg.input_components = channels;
  jpeg.in_color_space = channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, 80, TRUE);
  jpeg_start_compress(&jpeg, TRUE);
  while (jpeg.next_scanline < height) {
    // libjpeg's interface needs a mutable pointer to data that it only reads.
    JSAMPROW row = const_cast<JSAMPROW>(rows + static_cast<size_t>(jpeg.next_scanline) * width *
                                                   static_cast<size_t>(channels));
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  return true;
}

}  // namespace

std::string jpeg_data_url(const at::Tensor& pixels) {
  if (pixels.dim() != 3 || (pixels.size(0) != 3 && pixels.size(0) != 1) || pixels.scalar_type() != at::kByte)
    throw std::invalid_argument("[data::jpeg_data_url] uint8 [3, H, W] or [1, H, W] is needed");
  const at::Tensor rows = pixels.permute({1, 2, 0}).contiguous();
  constexpr int64_t kLongestSide = 65500;  // limit of libjpeg
  if (rows.size(0) < 1 || rows.size(1) < 1 || rows.size(0) > kLongestSide || rows.size(1) > kLongestSide) {
    throw std::invalid_argument("[data::jpeg_data_url] a JPEG has sides of 1 to " +
                                std::to_string(kLongestSide) + " pixels, not " +
                                std::to_string(rows.size(1)) + " x " + std::to_string(rows.size(0)));
  }
  JpegEncoder encoder;
  encoder.info.image_width = static_cast<JDIMENSION>(rows.size(1));
  encoder.info.image_height = static_cast<JDIMENSION>(rows.size(0));
  if (!encode(encoder, rows.const_data_ptr<uint8_t>(), static_cast<int>(rows.size(2))))
    throw Error(std::string("[data::jpeg_data_url] libjpeg could not encode the image: ") + encoder.message);
  return "data:image/jpeg;base64," + base64(encoder.bytes, encoder.count);
}

}  // namespace vitrim::data
