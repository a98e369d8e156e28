#pragma once
// The kinds of data set that open_dataset() opens.

#include <memory>
#include <string>

#include "vitrim/data/dataset.h"

namespace vitrim::data {

std::unique_ptr<Dataset> open_image_folder(const std::string& folder, const DatasetOptions& options);
std::unique_ptr<Dataset> open_cifar(const std::string& file);
/// Opens a `source` that begins with "synthetic:".
std::unique_ptr<Dataset> open_synthetic(const std::string& source);

/// Opens a `source` that begins with "synthetic-masks:".
std::unique_ptr<Dataset> open_synthetic_masks(const std::string& source);
/// Whether `source` names an ADE20K folder, alone or with a split after a colon.
bool is_ade20k(const std::string& source);
std::unique_ptr<Dataset> open_ade20k(const std::string& source, const DatasetOptions& options);

/// Opens a `source` that names one archive or, with braces, several.
std::unique_ptr<Dataset> open_tar_shards(const std::string& source, const DatasetOptions& options);

}  // namespace vitrim::data
