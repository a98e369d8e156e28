#pragma once
// Image formats by content and by name: which are read, and what the others are called in messages.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace vitrim::data {

/// What a file's first bytes say it is: "JPEG", "PNG", "WebP", "BMP", "TIFF", "AVIF", ...; empty where they
/// are no image's that vitrim knows. 32 bytes are enough.
std::string_view format_of_content(const uint8_t* bytes, size_t count);
/// Whether decode_image() reads a format of format_of_content().
bool is_decoded(std::string_view format);

/// What the ending of a file's name promises.
enum class Ending {
  kDecoded,     ///< .jpg, .jpeg, .jpe, .jfif, .jif, .jfi, .png, .webp
  kOtherImage,  ///< an image in a format that is not read, .bmp or .tiff
  kOther,       ///< known for something else than images: .txt, .json
  kUnknown,     ///< none, or one that says nothing
};
/// Of an ending as the name spells it, with or without the dot, in any case.
Ending kind_of_ending(std::string_view ending);
/// Lower-case ASCII letters.
std::string lower_ascii(std::string_view text);

/// ".jpg, .jpeg, .png, .webp", for messages.
inline constexpr const char* kDecodedEndings = ".jpg, .jpeg, .png, .webp";

}  // namespace vitrim::data
