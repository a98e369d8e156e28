#pragma once
// Decoding many images on all cores into one batch, prepared one by one as the caller wants.

#include <functional>
#include <string>

#include "vitrim/data/pixels.h"

namespace vitrim::data {

/// An image of data set index `index` as it goes into the batch, preprocess.crop x preprocess.crop.
using Prepare = std::function<Image(const Image& image, int64_t index)>;

/// decode_images() with another preparation; `stage` names its progress, empty: none is told.
PixelBatch decode_images(const Dataset& dataset, const LoadOptions& options, const std::string& stage,
                         const Prepare& prepare);

}  // namespace vitrim::data
