#pragma once
// "Did you mean ...?" for mistyped keys, flags and names.

#include <string>
#include <string_view>
#include <vector>

namespace vitrim {

/// The entry of `valid` with the fewest edits (insert, delete, replace, swap of neighbours; case is ignored)
/// from `word`. On a tie it is the earlier entry; "" if `valid` is empty.
std::string nearest(std::string_view word, const std::vector<std::string>& valid);

}  // namespace vitrim
