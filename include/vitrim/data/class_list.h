#pragma once
// Text files with one class a line.

#include <string>
#include <vector>

namespace vitrim::data {

/// The lines of a class list, in order: UTF-8 (with or without a byte order mark) or UTF-16 (with one, or
/// where every second byte is zero), any line ends, blanks around a line dropped, accents composed (NFC),
/// empty lines at the end left out. Lines that are no UTF-8 stay as they are. Throws vitrim::Error where the
/// file can't be read or is no regular file; FormatError where it is empty, where an empty line stands
/// between others (the indices after it would shift), where it holds zero bytes or is larger than 16 MiB.
std::vector<std::string> read_class_list(const std::string& file);

/// How a class list is read from a text in memory; `file` is for messages.
std::vector<std::string> parse_class_list(const std::string& text, const std::string& file);

}  // namespace vitrim::data
