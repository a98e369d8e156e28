#pragma once
// Decodes many images on all cores into one batch; the caller's function prepares each image.

#include <functional>
#include <string>

#include "vitrim/data/pixels.h"

namespace vitrim::data {

/// Prepares an image, with its index in the data set, for the batch: preprocess.crop x preprocess.crop.
using Prepare = std::function<Image(const Image& image, int64_t index)>;

/// decode_images() with another function that prepares images. `stage` is the name of its progress; empty: no
/// progress is reported.
PixelBatch decode_images(const Dataset& dataset, const LoadOptions& options, const std::string& stage,
                         const Prepare& prepare);

}  // namespace vitrim::data
