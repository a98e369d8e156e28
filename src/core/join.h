#pragma once
// Lists of words as text.

#include <string>
#include <vector>

namespace vitrim {

/// The words joined by commas: "a, b, c".
inline std::string join(const std::vector<std::string>& words, const char* separator = ", ") {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : separator) + word;
  return text;
}

}  // namespace vitrim
