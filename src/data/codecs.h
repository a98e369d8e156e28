#pragma once
// The two image formats; decode_image() tells them apart by their first bytes.

#include <cstddef>
#include <cstdint>
#include <string>

#include "vitrim/data/dataset.h"

namespace vitrim::data {

/// More pixels than any photograph has: a header that asks for more is damaged or hostile, and memory is not
/// spent on it.
inline constexpr int64_t kMaxPixels = int64_t{1} << 27;

/// Throws FormatError where a header asks for no pixels or for too many.
void check_image_size(int64_t height, int64_t width, const std::string& name);

bool is_jpeg(const uint8_t* bytes, size_t count);
bool is_png(const uint8_t* bytes, size_t count);
Image decode_jpeg(const uint8_t* bytes, size_t count, const std::string& name);
Image decode_png(const uint8_t* bytes, size_t count, const std::string& name);
Mask decode_png_mask(const uint8_t* bytes, size_t count, const std::string& name);

}  // namespace vitrim::data
