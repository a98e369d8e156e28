#pragma once
// The chains of recipes/run/, embedded by cmake/VitrimEmbed.cmake.

#include <string_view>
#include <vector>

namespace vitrim::app {

struct ChainFile {
  std::string_view name, text;
};
const std::vector<ChainFile>& chain_files();

}  // namespace vitrim::app
