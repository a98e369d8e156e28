#pragma once
// Normalises names, so that they compare as users expect, whichever program wrote them.

#include <optional>
#include <string>
#include <string_view>

namespace vitrim::data {

/// Composes accents into their letters (Unicode's NFC), because file systems and editors write "é" as one
/// character or as two. Text that is not valid UTF-8, or is longer than any file name, is returned unchanged.
std::string composed(std::string_view text);
/// The same in lower case.
std::string lower_case(std::string_view text);
/// UTF-16 to UTF-8; nothing if it is malformed.
std::optional<std::string> from_utf16(std::string_view bytes, bool big_endian);

}  // namespace vitrim::data
