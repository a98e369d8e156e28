#pragma once
// Images as text, for pages.

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>

namespace vitrim::data {

/// pixels uint8 [3, H, W], or grey ones [1, H, W] -> "data:image/jpeg;base64,..." (quality 80). Throws
/// std::invalid_argument on other shapes and on sides beyond 65500 pixels, vitrim::Error where memory is
/// short.
std::string jpeg_data_url(const at::Tensor& pixels);

/// classes uint8 [H, W] in the colours of class_color() -> "data:image/png;base64,...". Ignored pixels are
/// transparent.
std::string mask_data_url(const at::Tensor& classes);
/// The colour in which pictures show a class, RGB: neighbouring classes differ clearly, and all 255 differ.
std::array<uint8_t, 3> class_color(int64_t class_index);

}  // namespace vitrim::data
