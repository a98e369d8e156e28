#pragma once
// Encodes images as text, for HTML pages.

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>

namespace vitrim::data {

/// Encodes pixels uint8 [3, H, W], or grey [1, H, W], as "data:image/jpeg;base64,..." (quality 80). Throws
/// std::invalid_argument on other shapes and on sides above 65500 pixels, vitrim::Error if there is not
/// enough memory.
std::string jpeg_data_url(const at::Tensor& pixels);

/// Encodes classes uint8 [H, W], drawn in the colours of class_color(), as "data:image/png;base64,...".
/// Ignored pixels are transparent.
std::string mask_data_url(const at::Tensor& classes);
/// The RGB colour in which pictures show a class. Classes with consecutive indices differ clearly, and all
/// 255 colours differ.
std::array<uint8_t, 3> class_color(int64_t class_index);

}  // namespace vitrim::data
