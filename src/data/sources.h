#pragma once
// The kinds of data set behind open_dataset().

#include <memory>
#include <string>

#include "vitrim/data/dataset.h"

namespace vitrim::data {

std::unique_ptr<Dataset> open_image_folder(const std::string& folder, const DatasetOptions& options);
std::unique_ptr<Dataset> open_cifar(const std::string& file);
/// `source` begins with "synthetic:".
std::unique_ptr<Dataset> open_synthetic(const std::string& source);

}  // namespace vitrim::data
