#pragma once
// Text files that cmake/VitrimEmbed.cmake embeds. Each list is declared beside the code that reads it and is
// sorted by name.

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace vitrim {

struct EmbeddedText {
  std::string_view name;  ///< the file's name without its suffix
  std::string_view text;
};

using EmbeddedTexts = std::vector<EmbeddedText>;

/// The file of this name; nullptr if there is none.
inline const EmbeddedText* find_text(const EmbeddedTexts& files, std::string_view name) {
  const auto at =
      std::find_if(files.begin(), files.end(), [&](const EmbeddedText& file) { return file.name == name; });
  return at == files.end() ? nullptr : &*at;
}

inline std::vector<std::string> names_of(const EmbeddedTexts& files) {
  std::vector<std::string> names;
  names.reserve(files.size());
  for (const EmbeddedText& file : files) names.emplace_back(file.name);
  return names;
}

}  // namespace vitrim
