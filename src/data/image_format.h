#pragma once
// Image formats by content and by name: the formats that are read, and the names of others for messages.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace vitrim::data {

/// The format of a file by its first bytes: "JPEG", "PNG", "WebP", "BMP", "TIFF", "AVIF", ...; empty if they
/// are not those of an image format that vitrim recognises. 32 bytes are enough.
std::string_view format_of_content(const uint8_t* bytes, size_t count);
/// Whether decode_image() reads a format that format_of_content() returned.
bool is_decoded(std::string_view format);

/// What the extension of a file name implies.
enum class Ending {
  kDecoded,     ///< .jpg, .jpeg, .jpe, .jfif, .jif, .jfi, .png, .webp
  kOtherImage,  ///< an image in a format that is not read: .bmp, .tiff, ...
  kOther,       ///< known for other contents than images: .txt, .json
  kUnknown,     ///< no extension, or an unknown one
};
/// The kind of an extension, with or without the dot, in any case.
Ending kind_of_ending(std::string_view ending);
/// The text with ASCII letters in lower case.
std::string lower_ascii(std::string_view text);

/// ".jpg, .jpeg, .png, .webp", for messages.
inline constexpr const char* kDecodedEndings = ".jpg, .jpeg, .png, .webp";

}  // namespace vitrim::data
