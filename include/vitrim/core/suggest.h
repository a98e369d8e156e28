#pragma once
// "Did you mean ...?" for mistyped keys, flags and names.

#include <string>
#include <string_view>
#include <vector>

namespace vitrim {

/// The entry of `valid` with the fewest edits (insert, delete, replace, swap of neighbours; case is ignored)
/// from `word`. On a tie it is the earlier entry; "" if `valid` is empty.
std::string nearest(std::string_view word, const std::vector<std::string>& valid);

/// As nearest(), but "" if no entry is close: at most a third of the letters of `word` may differ, and at
/// least one may. The first entry that consists of `word` and other words with dashes between them ("bits" in
/// "--weight-bits") is close too.
std::string close_to(std::string_view word, const std::vector<std::string>& valid);

}  // namespace vitrim
