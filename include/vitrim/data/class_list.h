#pragma once
// Text files with one class per line.

#include <cstdint>
#include <string>
#include <vector>

namespace vitrim::data {

/// Reads the lines of a class list, in order. `file` is a path, or the name of a built-in list:
/// "imagenet-1k", the 1,000 WordNet ids of ILSVRC2012 ("n01440764"), sorted, which is the order of its class
/// indices. A name that is also that of a file in the working folder is refused; "./NAME" is the file. The
/// file is UTF-8 (with or without a byte order mark) or UTF-16 (with one, or recognised because every second
/// byte is zero), with any line ends. Blanks around a line and empty lines at the end are removed, and
/// accents are composed (NFC). Lines that are not valid UTF-8 are not changed. Throws vitrim::Error if the
/// file can't be read or is not a regular file; FormatError if it is empty, has an empty line between others
/// (the indices after it would shift), contains zero bytes, or is larger than 16 MiB.
std::vector<std::string> read_class_list(const std::string& file);

/// What to do where the folders of a data set are not all of the model's `classes` classes: "pass --classes
/// ..."; it names the built-in list with that number of classes, if there is one.
std::string classes_remedy(int64_t classes);

/// Parses a class list from a text in memory; `file` is for messages.
std::vector<std::string> parse_class_list(const std::string& text, const std::string& file);

}  // namespace vitrim::data
