#pragma once
// Images that are named one by one.

#include <memory>
#include <string>
#include <vector>

#include "vitrim/data/dataset.h"

namespace vitrim::data {

/// Image files, and folders and other sources of open_dataset() among them, in the order of `sources`; no
/// image has a label. Throws vitrim::Error where one is missing or is no regular file, and as open_dataset().
std::unique_ptr<Dataset> open_images(const std::vector<std::string>& sources,
                                     const DatasetOptions& options = {});

}  // namespace vitrim::data
