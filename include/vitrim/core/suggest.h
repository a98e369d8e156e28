#pragma once
// "Did you mean ...?" for mistyped keys, flags and names.

#include <string>
#include <string_view>
#include <vector>

namespace vitrim {

/// The entry of `valid` that is fewest edits (insert, delete, replace, swap of neighbours; upper and lower
/// case alike) away from `word`; the earlier one on a tie, "" where `valid` is empty.
std::string nearest(std::string_view word, const std::vector<std::string>& valid);

}  // namespace vitrim
