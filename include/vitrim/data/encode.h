#pragma once
// Images as text, for pages.

#include <ATen/core/Tensor.h>

#include <string>

namespace vitrim::data {

/// pixels uint8 [3, H, W] -> "data:image/jpeg;base64,..." (quality 80).
std::string jpeg_data_url(const at::Tensor& pixels);

}  // namespace vitrim::data
