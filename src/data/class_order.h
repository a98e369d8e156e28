#pragma once
// Which index the name of a class folder stands for.

#include <cstdint>
#include <string>
#include <vector>

#include "vitrim/data/dataset.h"

namespace vitrim::data {

/// The indices of class folders, and how many classes there are.
struct ClassIndices {
  std::vector<int64_t> of_folder;
  int64_t classes = 0;
  /// Whether a list or the model's names gave the indices, so that a folder that is missing shifts no other.
  bool named = false;
  std::vector<std::string> names = {};  ///< of the classes, as folders bear them
};

/// Folder names to class indices, as DatasetOptions says: by the class list, by an order that is named, by
/// the model's class names, else by the one order that all agree on. `root` is for messages. Throws
/// vitrim::Error where a folder is not in the list, where some folders bear class names of the model and
/// others don't, and where the orders differ and none is named; FormatError where the list names a class
/// twice.
ClassIndices class_indices(const std::vector<std::string>& folders, const DatasetOptions& options,
                           const std::string& root);

/// Whether `a` comes before `b` in the natural order: runs of digits by their value, the rest in lower case;
/// names that are alike in this go by their characters.
bool natural_less(const std::string& a, const std::string& b);

}  // namespace vitrim::data
