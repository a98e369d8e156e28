#pragma once
// decode_images() into a tensor.

#include <string>

#include "data/decode_images.h"
#include "vitrim/data/loader.h"

namespace vitrim::data {

/// load_images() with another preparation; `stage` names its progress, empty: none is told.
ImageBatch decode_batch(const Dataset& dataset, const LoadOptions& options, const std::string& stage,
                        const Prepare& prepare);

}  // namespace vitrim::data
