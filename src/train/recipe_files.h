#pragma once
// The recipes that cmake/VitrimEmbed.cmake embeds.

#include <string_view>
#include <vector>

namespace vitrim::train {

struct RecipeFile {
  std::string_view name;  ///< NAME of recipes/NAME.toml
  std::string_view text;
};

/// All recipes, sorted by name.
const std::vector<RecipeFile>& recipe_files();

}  // namespace vitrim::train
