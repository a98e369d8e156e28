#pragma once
// decode_images() into a tensor.

#include <string>

#include "data/decode_images.h"
#include "vitrim/data/loader.h"

namespace vitrim::data {

/// load_images() with another function that prepares images. `stage` is the name of its progress; empty: no
/// progress is reported.
ImageBatch decode_batch(const Dataset& dataset, const LoadOptions& options, const std::string& stage,
                        const Prepare& prepare);

}  // namespace vitrim::data
