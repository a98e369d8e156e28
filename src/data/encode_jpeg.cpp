#include <ATen/ATen.h>
// jpeglib.h uses FILE and size_t without including them.
#include <jpeglib.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "data/base64.h"
#include "vitrim/data/encode.h"

namespace vitrim::data {

namespace {

void fail(j_common_ptr) {
  throw std::runtime_error("[data::jpeg_data_url] libjpeg could not encode the image");
}

}  // namespace

std::string jpeg_data_url(const at::Tensor& pixels) {
  if (pixels.dim() != 3 || pixels.size(0) != 3 || pixels.scalar_type() != at::kByte)
    throw std::invalid_argument("[data::jpeg_data_url] uint8 [3, H, W] is needed");
  const at::Tensor rows = pixels.permute({1, 2, 0}).contiguous();
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  errors.error_exit = fail;
  jpeg_create_compress(&jpeg);
  unsigned char* bytes = nullptr;
  unsigned long count = 0;
  jpeg_mem_dest(&jpeg, &bytes, &count);
  jpeg.image_width = static_cast<JDIMENSION>(rows.size(1));
  jpeg.image_height = static_cast<JDIMENSION>(rows.size(0));
  jpeg.input_components = 3;
  jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, 80, TRUE);
  jpeg_start_compress(&jpeg, TRUE);
  while (jpeg.next_scanline < jpeg.image_height) {
    // libjpeg's interface wants a pointer to what it only reads.
    JSAMPROW row = const_cast<JSAMPROW>(rows.const_data_ptr<uint8_t>() +
                                        static_cast<int64_t>(jpeg.next_scanline) * rows.size(1) * 3);
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  const std::string text = base64(bytes, count);
  std::free(bytes);
  return "data:image/jpeg;base64," + text;
}

}  // namespace vitrim::data
