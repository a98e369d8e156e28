#pragma once
// The index of each class folder.

#include <cstdint>
#include <string>
#include <vector>

#include "vitrim/data/dataset.h"

namespace vitrim::data {

/// The indices of class folders, and the number of classes.
struct ClassIndices {
  std::vector<int64_t> of_folder;
  int64_t classes = 0;
  /// Whether a list or the model's class names gave the indices, so that a missing folder does not shift the
  /// others.
  bool named = false;
  std::vector<std::string> names = {};  ///< names of the classes, as the folders have them
};

/// Assigns class indices to folder names as DatasetOptions describes: by the class list, by a given order, by
/// the model's class names, else by the order if both orders agree. `root` is for messages. Throws
/// vitrim::Error if a folder is not in the list, if only some folders have class names of the model, and if
/// the orders differ and none is given; FormatError if the list contains a class twice.
ClassIndices class_indices(const std::vector<std::string>& folders, const DatasetOptions& options,
                           const std::string& root);

/// Whether `a` comes before `b` in the natural order: runs of digits are compared by value, the rest in lower
/// case; names that are equal in this are compared by characters.
bool natural_less(const std::string& a, const std::string& b);

}  // namespace vitrim::data
