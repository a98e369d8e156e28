#pragma once
// The class lists of class_lists/, embedded by cmake/VitrimEmbed.cmake.

#include <string_view>
#include <vector>

namespace vitrim::data {

struct ClassListFile {
  std::string_view name;  ///< NAME of class_lists/NAME.txt
  std::string_view text;
};

/// All lists, sorted by name.
const std::vector<ClassListFile>& class_list_files();

}  // namespace vitrim::data
