#pragma once
// File names with braces, as shells and WebDataset write sets of shards.

#include <string>
#include <vector>

namespace vitrim::data {

/// All names that a pattern stands for; the last braces vary fastest: "{a,b}-{08..10}" is a-08, a-09, a-10,
/// b-08, ... Braces contain a list {a,b} or a range of integers {0..9}. Numbers with leading zeros keep their
/// width; lists may contain braces. A pattern without braces stands for itself. Throws vitrim::Error if
/// braces do not match, contain neither, or stand for more than a million names.
std::vector<std::string> expand_braces(const std::string& pattern);

}  // namespace vitrim::data
