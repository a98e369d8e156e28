#pragma once
// Names as people compare them, whatever the program that wrote them.

#include <optional>
#include <string>
#include <string_view>

namespace vitrim::data {

/// Accents composed into their letters (Unicode's NFC): file systems and editors write "é" as one character
/// or as two. Texts that are no UTF-8, or longer than any file's name, come back as they are.
std::string composed(std::string_view text);
/// The same in lower case.
std::string lower_case(std::string_view text);
/// UTF-16 to UTF-8; nothing where it is malformed.
std::optional<std::string> from_utf16(std::string_view bytes, bool big_endian);

}  // namespace vitrim::data
