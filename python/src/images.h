#pragma once
// Images from Python as a Dataset: 8-bit arrays, or a list of files.

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "vitrim/data/dataset.h"

namespace vitrim::python {

/// A data set over `pixels`, uint8 [n, height, width, 3], contiguous; they are not copied and must not
/// change. `labels` has n entries, or none: unlabelled. Throws std::invalid_argument if the two do not fit.
std::unique_ptr<data::Dataset> array_images(const at::Tensor& pixels, const std::vector<int64_t>& labels);
/// A data set of image files. `labels` as above; of the options only max_pixels is used.
std::unique_ptr<data::Dataset> file_images(const std::vector<std::string>& files,
                                           const std::vector<int64_t>& labels,
                                           const data::DatasetOptions& options);

}  // namespace vitrim::python
