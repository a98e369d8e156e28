#pragma once
// Images that are listed one by one.

#include <memory>
#include <string>
#include <vector>

#include "vitrim/data/dataset.h"

namespace vitrim::data {

/// Opens a list of image files, folders, and other sources of open_dataset() as one data set without labels,
/// in the order of `sources`. Throws vitrim::Error if one is missing or not a regular file, and as
/// open_dataset() does.
std::unique_ptr<Dataset> open_images(const std::vector<std::string>& sources,
                                     const DatasetOptions& options = {});

}  // namespace vitrim::data
