#pragma once
// File names with braces, as shells and WebDataset write sets of shards.

#include <string>
#include <vector>

namespace vitrim::data {

/// Every name that a pattern stands for, the last braces fastest: "{a,b}-{08..10}" is a-08, a-09, a-10, b-08,
/// ... Braces hold a list {a,b} or a range of whole numbers {0..9}; numbers written with leading zeros keep
/// the width; lists may hold braces. A pattern without braces is itself. Throws vitrim::Error where braces do
/// not match, hold neither, or stand for more than a million names.
std::vector<std::string> expand_braces(const std::string& pattern);

}  // namespace vitrim::data
