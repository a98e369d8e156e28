// Masks as PNGs with a palette.

#include <ATen/ATen.h>
#include <png.h>

#include <cmath>
#include <cstring>
#include <stdexcept>

#include "data/base64.h"
#include "vitrim/core/error.h"
#include "vitrim/data/dataset.h"
#include "vitrim/data/encode.h"

namespace vitrim::data {

std::array<uint8_t, 3> class_color(int64_t class_index) {
  // Hues are a golden angle apart, so that the first few differ most; brightness and saturation have cycles
  // of 3 and 2.
  const double hue = static_cast<double>(class_index * 137508 % 360000) / 60000.0;  // 0 to 6
  const double value = 1.0 - 0.22 * static_cast<double>(class_index % 3),
               saturation = class_index / 3 % 2 == 0 ? 0.85 : 0.5;
  std::array<uint8_t, 3> out{};
  for (int c = 0; c < 3; ++c) {
    // Distance of the hue from this channel's own hue, at 0, 2 and 4.
    const double away = std::abs(std::remainder(hue - 2.0 * c, 6.0));
    const double strength = std::clamp(2.0 - away, 0.0, 1.0);
    out[static_cast<size_t>(c)] =
        static_cast<uint8_t>(std::lround(255 * value * (1 - saturation * (1 - strength))));
  }
  return out;
}

std::string mask_data_url(const at::Tensor& classes) {
  if (classes.dim() != 2 || classes.scalar_type() != at::kByte)
    throw std::invalid_argument("[data::mask_data_url] uint8 [H, W] is needed");
  const at::Tensor rows = classes.contiguous();
  // libpng's simplified interface: colours come from the colour map, and no long jump leaves this function.
  std::array<uint8_t, 256 * 4> map{};
  for (int64_t i = 0; i < 256; ++i) {
    const std::array<uint8_t, 3> color = i == kIgnoredClass ? std::array<uint8_t, 3>{} : class_color(i);
    std::copy(color.begin(), color.end(), map.begin() + i * 4);
    map[static_cast<size_t>(i * 4 + 3)] = i == kIgnoredClass ? 0 : 255;
  }
  png_image image;
  std::memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(rows.size(1));
  image.height = static_cast<png_uint_32>(rows.size(0));
  image.format = PNG_FORMAT_RGBA_COLORMAP;
  image.colormap_entries = 256;
  png_alloc_size_t bytes = 0;
  std::string png;
  bool good = png_image_write_to_memory(&image, nullptr, &bytes, 0, rows.const_data_ptr<uint8_t>(), 0,
                                        map.data()) != 0;
  if (good) {
    png.resize(bytes);
    good = png_image_write_to_memory(&image, png.data(), &bytes, 0, rows.const_data_ptr<uint8_t>(), 0,
                                     map.data()) != 0;
  }
  if (!good)
    throw Error(std::string("[data::mask_data_url] libpng could not encode the mask: ") + image.message);
  return "data:image/png;base64," + base64(reinterpret_cast<const unsigned char*>(png.data()), bytes);
}

}  // namespace vitrim::data
